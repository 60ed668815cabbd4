# Sets $cbindgen to the version whose output is kept, and installs it into target/ where it is lacking. To be sourced.
version=0.29.0
tools=${CARGO_TARGET_DIR:-$PWD/target}/cbindgen-$version
cbindgen=$tools/bin/cbindgen
if [ "$(cbindgen --version 2>/dev/null)" = "cbindgen $version" ]; then
    cbindgen=cbindgen
elif [ ! -x "$cbindgen" ]; then
    echo "installing cbindgen $version into $tools"
    RUSTFLAGS='' CARGO_TARGET_DIR="$tools/build" \
        cargo install --quiet --locked --root "$tools" --version "$version" cbindgen ||
        { echo "skipped: no cbindgen $version here, and it can't be installed"; exit 77; }
    rm -r "$tools/build"
fi
