//! Expressions gone wrong.

use super::vocabulary;
use crate::random::Random;

/// Changes a word or two: dropped, doubled, swapped, replaced, garbled, or something put before it.
pub fn spoil(random: &mut Random, words: &mut Vec<String>) {
    for _ in 0..=random.below(2) {
        let at = random.below(words.len() as u64 + 1) as usize;
        if at == words.len() {
            words.push(vocabulary::anything(random));
            continue;
        }
        match random.below(8) {
            0 => drop(words.remove(at)),
            1 => words.insert(at, words[at].clone()),
            2 => {
                let other = random.below(words.len() as u64) as usize;
                words.swap(at, other);
            }
            3..5 => words[at] = vocabulary::anything(random),
            5 => words.insert(at, vocabulary::anything(random)),
            6 => words.truncate(at),
            _ => words[at] = garbled(random, &words[at]),
        }
    }
}

fn garbled(random: &mut Random, word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    if letters.is_empty() {
        return "?".to_string();
    }
    let at = random.below(letters.len() as u64) as usize;
    let odd = ['x', '0', '9', '-', '.', ':', '_', '\\', '$', '@', '"', '#', '/', '?', 'é', '\u{1}', 'F', '\r'];
    match random.below(4) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, *random.pick(&odd)),
        2 => letters[at] = *random.pick(&odd),
        _ => letters[at] = letters[at].to_ascii_uppercase(),
    }
    letters.into_iter().collect()
}

/// Words in no order at all.
pub fn nonsense(random: &mut Random) -> Vec<String> {
    (0..1 + random.below(10)).map(|_| vocabulary::anything(random)).collect()
}
