//! What the core promises of anything that it may meet, sensible or not. [`crate::properties`] says how to throw more dice.

mod answers;
mod anything;
mod cases;
mod estate;
mod fixed_point;
mod lives;
mod manifest;
mod parts;
mod people;
mod places;
mod promises;
mod remembered;
mod scripts;
