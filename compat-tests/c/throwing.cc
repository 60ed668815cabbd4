// A C++ handler that throws out of pcap_loop, pcap_dispatch and of a loop inside a handler: `throwing CASE RECEIVER SENDER`.
#include "cases.h"

#include <stdexcept>
#include <string>

namespace {

struct watcher {
    int *destroyed;
    ~watcher() { ++*destroyed; }
};

void throw_third(unsigned char *user, const struct pcap_pkthdr *header, const unsigned char *bytes)
{
    auto *seen = reinterpret_cast<struct seen *>(user);
    see(user, header, bytes);
    if (seen->frames == 3)
        throw std::runtime_error("third frame");
}

void run_throwing(bool dispatch)
{
    int caught = 0, destroyed = 0;
    struct options options = {2000, 0, 0, 0};
    pcap_t *in = open_handle(receiver_name, options), *out = open_sender();
    struct seen seen = {};
    for (uint32_t round = 0; round < 50; round++) {
        seen.frames = 0;
        send_frames(out, round * 5, 5, 100);
        sleep_ms(2);
        try {
            watcher inside{&destroyed};
            if (dispatch)
                while (seen.frames < 5)
                    pcap_dispatch(in, -1, throw_third, reinterpret_cast<unsigned char *>(&seen));
            else
                pcap_loop(in, 5, throw_third, reinterpret_cast<unsigned char *>(&seen));
        } catch (const std::runtime_error &error) {
            caught += std::string(error.what()) == "third frame";
        }
        while (seen.last != round * 5 + 4)
            loop_seen(in, 1, &seen);
    }
    printf("caught %d, unwound %d, last %u, faults %d\n", caught, destroyed, seen.last, seen.faults);
    close_handle(in);
    in = open_handle(receiver_name, options);
    send_frames(out, 1000, 1, 100);
    printf("loop %d", loop_seen(in, 1, &seen));
    printf(", last %u\n", seen.last);
}

void out_of_loop() { run_throwing(false); }

void out_of_dispatch() { run_throwing(true); }

} // namespace

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"out_of_loop", out_of_loop},
        {"out_of_dispatch", out_of_dispatch},
        {nullptr, nullptr},
    };
    return run_case(argc, argv, cases);
}
