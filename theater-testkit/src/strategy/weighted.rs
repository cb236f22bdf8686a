//! Choices by weight that cost one random number each.

use std::fmt::Debug;

use proptest::strategy::Strategy;

/// One of the values of a table, as often as its weight says; shrinks towards the first.
///
/// A union of strategies would do the same, but forks the generator for each alternative: with a dozen of
/// alternatives, and commands by the hundred, that is most of a case's cost.
pub(crate) fn weighted<T: Clone + Debug + 'static>(
    table: &'static [(u32, T)],
) -> impl Strategy<Value = T> + Clone {
    let total = table.iter().map(|(weight, _)| weight).sum::<u32>();
    (0..total).prop_map(|n| pick(table, n).clone())
}

/// The entry on which the `n`-th unit of weight lies.
fn pick<T>(table: &[(u32, T)], mut n: u32) -> &T {
    for (weight, value) in table {
        if n < *weight {
            return value;
        }
        n -= weight;
    }
    unreachable!("n is below the sum of the weights")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_its_weight() {
        let table = [(2, 'a'), (1, 'b'), (3, 'c')];
        let picked: String = (0..6).map(|n| *pick(&table, n)).collect();
        assert_eq!(picked, "aabccc");
    }
}
