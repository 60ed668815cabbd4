//! Rings on a port's memory: against a model, and against a peer that writes anything.

mod hostile;
mod model;
mod places;
mod region;
