//! Names of many files in one: `shard-{000..127}.tar`, `{train,val}.zip`.

/// More files are a mistake in the pattern.
const MOST_FILES: usize = 1_000_000;

/// Spells a pattern out; without braces it is the only name.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, &'static str> {
    let Some(open) = pattern.find('{') else {
        let is_plain = !pattern.contains('}');
        return if is_plain { Ok(vec![pattern.to_owned()]) } else { Err("a `}` closes nothing") };
    };
    let close = pattern[open..].find('}').ok_or("a `{` is not closed")? + open;
    let inner = &pattern[open + 1..close];
    if inner.contains('{') {
        return Err("braces lie in braces");
    }
    let choices = choices(inner)?;
    let rests = expand(&pattern[close + 1..])?;
    if choices.len().saturating_mul(rests.len()) > MOST_FILES {
        return Err("it stands for more than a million files");
    }
    let before = &pattern[..open];
    Ok(choices
        .iter()
        .flat_map(|choice| rests.iter().map(move |rest| format!("{before}{choice}{rest}")))
        .collect())
}

/// Numbers from one to another, as wide as they are written, or what commas separate.
fn choices(inner: &str) -> Result<Vec<String>, &'static str> {
    let Some((first, last)) = inner.split_once("..") else {
        return Ok(inner.split(',').map(str::to_owned).collect());
    };
    let number = |text: &str| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<usize>().ok().filter(|_| is_number).ok_or("between `{` and `..}` are no whole numbers")
    };
    let (from, to) = (number(first)?, number(last)?);
    if from > to {
        return Err("it counts downwards");
    }
    if to - from >= MOST_FILES {
        return Err("it stands for more than a million files");
    }
    let width = if first.starts_with('0') { first.len() } else { 0 };
    Ok((from..=to).map(|number| format!("{number:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_spelled_out_in_order() {
        assert_eq!(expand("a.tar").unwrap(), ["a.tar"]);
        assert_eq!(expand("s-{08..11}.tar").unwrap(), ["s-08.tar", "s-09.tar", "s-10.tar", "s-11.tar"]);
        assert_eq!(expand("{9..10}{a,}").unwrap(), ["9a", "9", "10a", "10"]);
        for (pattern, problem) in [
            ("{0..1", "not closed"),
            ("0..1}", "closes nothing"),
            ("{0..x}", "no whole numbers"),
            ("{+1..2}", "no whole numbers"),
            ("{2..1}", "downwards"),
            ("{{0..1}}", "in braces"),
            ("{0..99999999999}", "a million"),
            ("{0..9999}{0..9999}", "a million"),
        ] {
            assert!(expand(pattern).unwrap_err().contains(problem), "{pattern}");
        }
    }
}
