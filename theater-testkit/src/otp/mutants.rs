//! Whether a suite is worth something: each wrong variant of the model has to fail it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::model::Model;
use super::mutation::Mutation;
use super::play::{Disagreement, Player, agree, play};
use super::scenario::{Flags, Scenario, parse};
use super::{GOLDEN, strategy};

/// Makes the supervisor that a suite tests.
pub type MakePlayer<'a> = dyn Fn(&Flags) -> Box<dyn Player> + 'a;

/// How many random scenarios the suites below have, beside the recorded ones.
const RANDOM: usize = 300;

/// What is wrong with a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WeakSuite {
    /// Why it refuses the model itself, if it does.
    pub refuses_the_right_one: Option<String>,
    /// The wrong variants that it does not notice.
    pub survivors: Vec<Mutation>,
}

impl fmt::Display for WeakSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.refuses_the_right_one {
            writeln!(f, "the suite refuses the model itself: {why}")?;
        }
        if !self.survivors.is_empty() {
            writeln!(f, "the suite does not notice:")?;
        }
        self.survivors.iter().try_for_each(|mutation| writeln!(f, "- {mutation}"))
    }
}

impl std::error::Error for WeakSuite {}

/// Whether a suite accepts the model and notices each of its wrong variants: it answers with an error, or panics, as a test
/// does.
///
/// # Errors
/// If it does not.
///
/// # Examples
/// A suite of one scenario is too weak.
/// ```
/// use theater_testkit::otp::{self, Mutation};
///
/// let scenario = otp::parse(otp::GOLDEN)?.swap_remove(0);
/// let weak = otp::check_suite(|make| otp::agree(&scenario, &otp::play(make(&scenario.flags), &scenario))).unwrap_err();
/// assert_eq!(weak.refuses_the_right_one, None);
/// assert!(weak.survivors.contains(&Mutation::RestIsOne));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check_suite<E: fmt::Display>(
    suite: impl Fn(&MakePlayer<'_>) -> Result<(), E>,
) -> Result<(), WeakSuite> {
    let judge = |mutation: Option<Mutation>| {
        let make = |flags: &Flags| -> Box<dyn Player> {
            let model = Model::new(flags);
            Box::new(match mutation {
                Some(mutation) => model.with_mutation(mutation),
                None => model,
            })
        };
        match catch_unwind(AssertUnwindSafe(|| suite(&make))) {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err("it panics".to_owned()),
        }
    };
    let refuses_the_right_one = judge(None).err();
    let survives = |mutation: &Mutation| judge(Some(*mutation)).is_ok();
    let survivors: Vec<_> = Mutation::ALL.into_iter().filter(survives).collect();
    if refuses_the_right_one.is_none() && survivors.is_empty() {
        return Ok(());
    }
    Err(WeakSuite { refuses_the_right_one, survivors })
}

/// The same for a check that looks at one scenario as it went, and refuses what cannot be right. It is given the recorded
/// and some random scenarios.
///
/// # Errors
/// If it refuses one that went by the rules, or none of those of a wrong variant.
pub fn check_check<E: fmt::Display>(check: impl Fn(&Scenario) -> Result<(), E>) -> Result<(), WeakSuite> {
    let scenarios = scenarios();
    check_suite(|make| {
        scenarios.iter().try_for_each(|scenario| check(&play(make(&scenario.flags), scenario)))
    })
}

/// Holds a supervisor against the recorded scenarios and some random ones: the suite that comes with this crate.
///
/// # Errors
/// The first scenario that goes otherwise.
///
/// # Examples
/// ```
/// use theater_testkit::otp::{self, RulesPlayer};
///
/// otp::suite(&|flags| Box::new(RulesPlayer::new(flags)))?;
/// # Ok::<(), otp::Disagreement>(())
/// ```
pub fn suite(make: &MakePlayer<'_>) -> Result<(), Disagreement> {
    scenarios().iter().try_for_each(|scenario| agree(scenario, &play(make(&scenario.flags), scenario)))
}

fn scenarios() -> Vec<Scenario> {
    let mut scenarios = parse(GOLDEN).expect("the recordings are well-formed");
    let mut runner = TestRunner::deterministic();
    let random = strategy::scenarios();
    scenarios
        .extend((0..RANDOM).map(|_| random.new_tree(&mut runner).expect("nothing is rejected").current()));
    scenarios
}

/// Fails unless a suite accepts the [`Model`](crate::otp::Model) and notices each of its 18 wrong variants
/// ([`Mutation`](crate::otp::Mutation)); names those that it does not notice.
///
/// - Without arguments: the suite that comes with this crate, [`otp::suite`](crate::otp::suite()).
/// - `suite = |make| ...`: an own suite. It is given what makes the supervisor under test, and answers with a `Result` or panics.
/// - `check = |scenario| ...`: an own check of one [`Scenario`](crate::otp::Scenario) as it went.
///
/// # Examples
/// ```
/// use theater_testkit::{assert_suite_catches_all_mutants, otp};
///
/// assert_suite_catches_all_mutants!();
///
/// assert_suite_catches_all_mutants!(
///     suite = |make| {
///         let recorded = otp::parse(otp::GOLDEN).expect("the recordings are well-formed");
///         let play = |scenario| otp::agree(scenario, &otp::play(make(&scenario.flags), scenario));
///         recorded.iter().try_for_each(play)
///     }
/// );
///
/// assert_suite_catches_all_mutants!(
///     check = |scenario| otp::agree(scenario, &otp::record(scenario))
/// );
/// ```
#[macro_export]
macro_rules! assert_suite_catches_all_mutants {
    () => {
        $crate::assert_suite_catches_all_mutants!(suite = $crate::otp::suite)
    };
    (suite = $suite:expr $(,)?) => {
        if let ::std::result::Result::Err(weak) = $crate::otp::check_suite($suite) {
            ::std::panic!("{weak}");
        }
    };
    (check = $check:expr $(,)?) => {
        if let ::std::result::Result::Err(weak) = $crate::otp::check_check($check) {
            ::std::panic!("{weak}");
        }
    };
}
