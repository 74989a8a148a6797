//! The engine as a whole, on the bus in memory and a scripted broker.

#[cfg(test)]
mod house;
#[cfg(test)]
mod live;
#[cfg(test)]
mod paced;
#[cfg(test)]
mod restarts;
