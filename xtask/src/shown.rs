//! That docs/SEMANTICS.md and SECURITY.md name a test for every promise in their tables, and only tests
//! that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

const PAGES: [&str; 2] = ["docs/SEMANTICS.md", "SECURITY.md"];
const CASES: &str = "tests/fixtures/conformance";

/// The last column of every table.
const COLUMN: &str = "shown by";

/// Fails where a row names no test, or one that does not exist.
pub(crate) fn check<'a>(root: &Path, files: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let tests = Tests::read(root, files)?;
    for name in PAGES {
        let page =
            fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))?;
        let problems = problems(&page, &tests);
        anyhow::ensure!(problems.is_empty(), "{name}: {}", problems.join("; "));
    }
    Ok(())
}

/// Every test, as `module::name`: the module is the file, or the folder of a file that is named as
/// every folder's first.
#[derive(Default)]
struct Tests(BTreeSet<String>);

impl Tests {
    fn read<'a>(root: &Path, files: impl Iterator<Item = &'a str>) -> anyhow::Result<Self> {
        let mut tests = Self::default();
        for file in files {
            let path = Path::new(file);
            if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(root.join(path))
                    .with_context(|| format!("cannot read {file}"))?;
                tests.add(path, &text);
            } else if let Some(case) = case_of(file) {
                tests.0.insert(format!("conformance::{case}"));
            }
        }
        Ok(tests)
    }

    fn add(&mut self, path: &Path, text: &str) {
        let module = module_of(path);
        let mut is_test = false;
        for line in text.lines().map(str::trim_start) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(name) = function(line) {
                if is_test {
                    self.0.insert(format!("{module}::{name}"));
                }
                is_test = false;
            }
        }
    }
}

/// A case's folder has the name of its test, with dashes.
pub(crate) fn case_of(file: &str) -> Option<String> {
    let (case, _) = file
        .strip_prefix(CASES)?
        .strip_prefix('/')?
        .split_once('/')?;
    Some(case.replace('-', "_"))
}

fn module_of(path: &Path) -> String {
    let name = |part: Option<&std::ffi::OsStr>| {
        part.map(|part| part.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let stem = name(path.file_stem());
    match stem.as_str() {
        "tests" | "mod" | "main" | "lib" => name(path.parent().and_then(Path::file_name)),
        _ => stem,
    }
}

fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    let (name, _) = line.strip_prefix("fn ")?.split_once('(')?;
    Some(name)
}

fn problems(page: &str, tests: &Tests) -> Vec<String> {
    let mut problems = Vec::new();
    let mut before = "";
    for line in page.lines() {
        let is_head = line.starts_with('|') && !before.starts_with('|');
        before = line;
        let Some(cells) = line
            .strip_prefix('|')
            .and_then(|line| line.strip_suffix('|'))
        else {
            continue;
        };
        let (row, last) = cells.rsplit_once('|').unwrap_or(("", cells));
        let row = row.split('|').next().unwrap_or_default().trim();
        if is_head && last.trim() != COLUMN {
            problems.push(format!("a table has no column `{COLUMN}`: {row}"));
        }
        if is_head || last.starts_with("---") {
            continue;
        }
        let named: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            problems.push(format!("no test is named: {row}"));
        }
        for test in named.iter().filter(|test| !tests.0.contains(**test)) {
            problems.push(format!("there is no test {test}: {row}"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_by_module_and_name() {
        let mut tests = Tests::default();
        let text =
            "#[test]\nfn one() {}\nfn no_test() {}\n  #[tokio::test(x = 1)]\n  async fn two() {}";
        for path in ["a/src/room.rs", "a/src/hall/tests.rs", "a/tests/it/main.rs"] {
            tests.add(Path::new(path), text);
        }
        let expect = [
            "hall::one",
            "hall::two",
            "it::one",
            "it::two",
            "room::one",
            "room::two",
        ];
        assert!(tests.0.iter().eq(expect), "{:?}", tests.0);
        let case = case_of("tests/fixtures/conformance/two-cycle/in/a.json");
        assert_eq!(case.as_deref(), Some("two_cycle"));
        assert_eq!(case_of("tests/fixtures/conformance/README.md"), None);
    }

    #[test]
    fn rows_without_a_test_are_found() {
        let tests = Tests(["a::b".to_owned()].into());
        let head = "| what | shown by |\n|---|---|\n";
        for (page, expect) in [
            (format!("{head}| x | `a::b` |"), None),
            (
                format!("{head}| x | `a::b`, `a::c` |"),
                Some("there is no test a::c: x"),
            ),
            (format!("{head}| x | |"), Some("no test is named: x")),
            (
                "| what |\n|---|\n".to_owned(),
                Some("a table has no column"),
            ),
            (
                "no table\n| x | other |\n".to_owned(),
                Some("a table has no column"),
            ),
        ] {
            let found = problems(&page, &tests);
            assert_eq!(
                found.len(),
                usize::from(expect.is_some()),
                "{page}: {found:?}"
            );
            let told = found.first().map_or("", String::as_str);
            assert!(told.starts_with(expect.unwrap_or_default()), "{told}");
        }
    }
}
