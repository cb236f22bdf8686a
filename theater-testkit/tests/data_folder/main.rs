//! A data folder as its files are: read by others, verified, damaged and repaired.

mod documents;
mod flips;
mod reader;
mod repair;
mod verify;
mod world;
