//! How long each function of a source file is. Reads the layout that rustfmt makes: a function
//! ends with a brace at the indentation of its first line.

/// A function and its length.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// From the line with `fn` to the closing brace, both included.
    pub(super) lines: usize,
}

/// All functions of a source, nested ones too.
pub(super) fn functions_of(source: &str) -> Vec<Function> {
    let lines: Vec<&str> = source.lines().collect();
    let mut functions = Vec::new();
    for (first, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let indent: String = line.chars().take_while(|letter| *letter == ' ').collect();
        let closing = format!("{indent}}}");
        let is_end = |line: &&str| {
            let at_indent = line
                .strip_prefix(indent.as_str())
                .is_some_and(|rest| !rest.starts_with(' '));
            **line == closing || (at_indent && line.ends_with(';'))
        };
        let is_one_line = line.ends_with('}') || line.ends_with(';');
        let rest = lines.iter().skip(first + 1);
        let length = if is_one_line {
            Some(0)
        } else {
            rest.clone().position(is_end).map(|n| n + 1)
        };
        functions.push(Function {
            name,
            lines: length.unwrap_or(rest.count()) + 1,
        });
    }
    functions
}

/// The name, if the line begins a function.
fn function_name(line: &str) -> Option<String> {
    let mut rest = line.trim_start();
    for prefix in [
        "pub(crate) ",
        "pub(super) ",
        "pub ",
        "const ",
        "async ",
        "unsafe ",
    ] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest);
    }
    let rest = rest.strip_prefix("fn ")?;
    Some(
        rest.chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect(),
    )
}

#[test]
fn lengths_are_counted() {
    let source = "\
pub fn one() {}

impl X {
    async fn four(
        &self,
    ) -> u8 {
    }
    fn declared(
        self,
    ) -> u8;
    pub(crate) const fn with_inner() {
        fn inner() {
            x;
        }
        let fnord = \"fn\";
    }
}
";
    let found: Vec<(String, usize)> = functions_of(source)
        .into_iter()
        .map(|f| (f.name, f.lines))
        .collect();
    let expected = [
        ("one", 1),
        ("four", 4),
        ("declared", 3),
        ("with_inner", 6),
        ("inner", 3),
    ];
    let expected: Vec<(String, usize)> = expected
        .iter()
        .map(|(name, lines)| ((*name).to_owned(), *lines))
        .collect();
    assert_eq!(found, expected);
}
