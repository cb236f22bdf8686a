//! Which of the things that could happen next does.

/// Decides between things that are ready at the same time: the end of a start or of a stop, an answer on its way to
/// whoever asked, the notice of an exit, a message. Exits of one child keep their order, whatever the schedule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Schedule {
    /// What was ready first.
    #[default]
    Fifo,
    /// Any of them, by this seed.
    Random(u64),
    /// One choice each time: the choice modulo the number of things that are ready; what was ready first once the choices
    /// are used up. So every list is a schedule, and a shorter one, or one with smaller numbers, is closer to `Fifo`:
    /// proptest can shrink it.
    Choices(Vec<u8>),
}

/// A schedule being followed.
#[derive(Debug, Clone, Default)]
pub(super) enum Chooser {
    #[default]
    Fifo,
    Random(Random),
    Choices(std::vec::IntoIter<u8>),
}

impl From<Schedule> for Chooser {
    fn from(schedule: Schedule) -> Self {
        match schedule {
            Schedule::Fifo => Self::Fifo,
            Schedule::Random(seed) => Self::Random(Random::new(seed)),
            Schedule::Choices(choices) => Self::Choices(choices.into_iter()),
        }
    }
}

impl Chooser {
    /// One of `count`, which is not zero.
    pub(super) fn choose(&mut self, count: usize) -> usize {
        match self {
            Self::Fifo => 0,
            Self::Random(random) => random.below(count),
            Self::Choices(choices) => choices.next().map_or(0, |choice| usize::from(choice) % count),
        }
    }

    /// Whether what is ready may as well happen at once.
    pub(super) fn is_fifo(&self) -> bool {
        match self {
            Self::Fifo => true,
            Self::Choices(choices) => choices.len() == 0,
            Self::Random(_) => false,
        }
    }
}

/// Random numbers by a seed: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `count`, which is not zero.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        usize::try_from(self.next() % count).expect("below a number that is a usize")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_taken_modulo_what_is_ready_and_then_first_comes_first() {
        let mut chooser = Chooser::from(Schedule::Choices(vec![5, 1]));
        assert_eq!((chooser.choose(3), chooser.choose(2), chooser.choose(2)), (2, 1, 0));
        assert!(chooser.is_fifo());
    }

    #[test]
    fn random_numbers_are_those_of_the_published_generator() {
        // The first values of SplitMix64 from the seed 0, as in the Java reference.
        let mut random = Random::new(0);
        assert_eq!(random.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next(), 0x6e78_9e6a_a1b9_65f4);
    }
}
