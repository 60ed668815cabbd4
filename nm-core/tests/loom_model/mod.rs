//! How models are run.

/// Runs every interleaving with at most so many preemptions, or `LOOM_MAX_PREEMPTIONS` where that is set.
pub fn model(preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.check(body);
}
