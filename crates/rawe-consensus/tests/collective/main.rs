//! The collective from outside: tables of rounds and exits, and properties over random schedules.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod exits;
#[cfg(test)]
mod rounds;
#[cfg(test)]
mod scenery;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod watching;
#[cfg(test)]
mod weights;
