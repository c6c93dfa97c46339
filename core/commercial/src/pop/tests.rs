mod convergence;
mod server;
mod world;
