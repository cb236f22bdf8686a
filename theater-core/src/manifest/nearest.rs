//! What somebody may have meant.

/// The word that is nearest to `text`, if one is near: at most a third of its letters differ.
pub(super) fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text: Vec<_> = text.chars().take(64).collect();
    words
        .map(|word| (distance(&text, &word.chars().collect::<Vec<_>>()), word))
        .filter(|(distance, word)| *distance <= 1.max(word.chars().count() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many letters have to be added, left out, changed, or swapped with their neighbour: the optimal string alignment.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before = vec![0; other.len() + 1];
    let mut last: Vec<_> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, target) in other.iter().enumerate() {
            let change = last[column] + usize::from(letter != target);
            let mut least = change.min(last[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && *letter == other[column - 1] && one[row - 1] == *target;
            if swapped {
                least = least.min(before[column - 1] + 1);
            }
            current.push(least);
        }
        before = std::mem::replace(&mut last, current);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood_and_another_word_is_not() {
        let words = ["restart", "shutdown", "significant", "intensity"];
        let near = |text| nearest(text, words.into_iter());
        assert_eq!(near("restrat"), Some("restart"));
        assert_eq!(near("shut_down"), Some("shutdown"));
        assert_eq!(near("significent"), Some("significant"));
        assert_eq!(near("intesity"), Some("intensity"));
        assert_eq!(near("colour"), None);
        assert_eq!(near(""), None);
    }
}
