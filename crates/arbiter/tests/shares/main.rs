//! Shares that hold: the arbiter with a card and containers that are played in virtual time.
//!
//! What is compared is what the card gave, never what anybody says that it took. The figures are
//! those that Aliquot promises of a real card; here they are of the card that `card` plays.

mod card;
mod debts;
mod flight;
mod gangs;
mod hostile;
mod late;
mod load;
mod mixtures;
mod promised;
mod ranks;
mod rules;
mod survey;
mod tenant;
mod world;
