#![doc = include_str!("../README.md")]

#[cfg(test)]
mod answering;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod check;
#[cfg(test)]
mod creating;
#[cfg(test)]
mod extras;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod records;
