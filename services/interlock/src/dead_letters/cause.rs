//! Causes: reasons without the numbers and ids in which letters of one cause differ.

/// The reason with every word that holds a digit, and every quoted name, left out.
pub fn of(reason: &str) -> String {
    let mut cause = String::new();
    let mut word = String::new();
    for c in reason.chars() {
        if c.is_alphanumeric() {
            word.push(c);
            continue;
        }
        end(&mut cause, &mut word);
        // Ids are written with dashes and dots between: one mark stands for all of it.
        if cause.ends_with('#') && matches!(c, '-' | '.' | ':' | '_') {
            continue;
        }
        cause.push(c);
    }
    end(&mut cause, &mut word);
    cause
}

fn end(cause: &mut String, word: &mut String) {
    let is_hash = word.len() == 26 && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if word.chars().any(|c| c.is_ascii_digit()) || is_hash {
        if !cause.ends_with('#') {
            cause.push('#');
        }
    } else {
        cause.push_str(word);
    }
    word.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_differ_in_numbers_and_ids_alone_have_one_cause() {
        let one = "ServiceNow prod: cannot close a change: CHG0030001 is gone (404), again in 1500 ms";
        let other = "ServiceNow prod: cannot close a change: CHG0099999 is gone (404), again in 60000 ms";
        assert_eq!(of(one), of(other));
        assert_eq!(of(one), "ServiceNow prod: cannot close a change: # is gone (#), again in # ms");
        let id = "61a4f748-5cdb-5538-bb0b-a775c7042914";
        assert_eq!(of(&format!("event {id} of rwqddrjo7ueeassklnhqodg7se")), "event # of #");
        assert_eq!(of("at 2026-03-01T10:00:00.5Z it broke"), "at # it broke");
    }

    #[test]
    fn different_words_are_different_causes() {
        assert_ne!(of("the group Network does not exist"), of("the group Storage does not exist"));
        assert_eq!(of(""), "");
    }
}
