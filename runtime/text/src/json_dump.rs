//! The `tojson` filter as chat templates expect it: Python's json.dumps with `ensure_ascii=False`, not the HTML-safe
//! filter of the template engine (which writes `<` as `\u003c` and so changes tool prompts).

use std::fmt::Write;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// Python refuses at 1000 levels; ours is lower because every level costs native stack.
const MAX_DEPTH: usize = 200;

struct Style {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

/// tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False); the last only by name.
pub fn tojson(
    value: &Value,
    ensure_ascii: Option<Value>,
    indent: Option<Value>,
    separators: Option<Value>,
    named: Kwargs,
) -> Result<Value, Error> {
    let argument = |positional: Option<Value>, name: &str| -> Result<Option<Value>, Error> {
        let given = match positional {
            Some(value) => Some(value),
            None => named.get::<Option<Value>>(name)?,
        };
        Ok(given.filter(|v| !v.is_none() && !v.is_undefined()))
    };
    let is_true = |value: Option<Value>| value.is_some_and(|v| v.is_true());
    let indent = match argument(indent, "indent")? {
        None => None,
        Some(v) if v.as_str().is_some() => v.as_str().map(str::to_string),
        Some(v) => {
            let width = i64::try_from(v)?;
            if width > 64 {
                return Err(invalid("tojson: indent is larger than 64"));
            }
            Some(" ".repeat(width.max(0) as usize))
        }
    };
    let (item_separator, key_separator) = match argument(separators, "separators")? {
        Some(pair) => {
            let part = |i: usize| -> Result<String, Error> {
                let item = pair.get_item_by_index(i)?;
                item.as_str().map(str::to_string).ok_or_else(|| invalid("tojson: separators must be two strings"))
            };
            (part(0)?, part(1)?)
        }
        // As in Python: no space before a line end.
        None => (if indent.is_some() { "," } else { ", " }.to_string(), ": ".to_string()),
    };
    let style = Style {
        ensure_ascii: is_true(argument(ensure_ascii, "ensure_ascii")?),
        indent,
        item_separator,
        key_separator,
        sort_keys: is_true(argument(None, "sort_keys")?),
    };
    named.assert_all_used()?;
    let mut out = String::new();
    dump(&mut out, value, &style, 0)?;
    Ok(Value::from_safe_string(out))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn dump(out: &mut String, value: &Value, style: &Style, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(invalid(format!("tojson: value is nested deeper than {MAX_DEPTH} levels")));
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => dump_number(out, value)?,
        ValueKind::String => dump_string(out, value.as_str().unwrap_or_default(), style.ensure_ascii),
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Items::new('[', ']');
            for item in value.try_iter()? {
                items.begin(out, style, depth);
                dump(out, &item, style, depth + 1)?;
            }
            items.end(out, style, depth);
        }
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter()?.collect();
            if style.sort_keys {
                keys.sort();
            }
            let mut items = Items::new('{', '}');
            for key in keys {
                items.begin(out, style, depth);
                match key.kind() {
                    ValueKind::String => dump_string(out, key.as_str().unwrap_or_default(), style.ensure_ascii),
                    ValueKind::Number | ValueKind::Bool | ValueKind::None => {
                        out.push('"');
                        dump(out, &key, style, depth + 1)?;
                        out.push('"');
                    }
                    kind => return Err(invalid(format!("tojson: a key of kind {kind} is not possible in JSON"))),
                }
                out.push_str(&style.key_separator);
                dump(out, &value.get_item(&key)?, style, depth + 1)?;
            }
            items.end(out, style, depth);
        }
        kind => return Err(invalid(format!("tojson: a value of kind {kind} is not possible in JSON"))),
    }
    Ok(())
}

/// Brackets, separators and line ends of one list or object. An empty one stays on its line whatever the indent.
struct Items {
    open: char,
    close: char,
    empty: bool,
}

impl Items {
    fn new(open: char, close: char) -> Self {
        Self { open, close, empty: true }
    }

    fn begin(&mut self, out: &mut String, style: &Style, depth: usize) {
        if self.empty {
            out.push(self.open);
        } else {
            out.push_str(&style.item_separator);
        }
        self.empty = false;
        new_line(out, style, depth + 1);
    }

    fn end(&self, out: &mut String, style: &Style, depth: usize) {
        if self.empty {
            out.push(self.open);
        } else {
            new_line(out, style, depth);
        }
        out.push(self.close);
    }
}

fn new_line(out: &mut String, style: &Style, depth: usize) {
    if let Some(indent) = &style.indent {
        out.push('\n');
        for _ in 0..depth {
            out.push_str(indent);
        }
    }
}

fn dump_number(out: &mut String, value: &Value) -> Result<(), Error> {
    if value.is_integer() {
        let _ = write!(out, "{value}");
        return Ok(());
    }
    out.push_str(&python_float(f64::try_from(value.clone())?));
    Ok(())
}

/// repr(float): the shortest digits that read back equal, positional for exponents -4..15, `1e+16` otherwise.
fn python_float(x: f64) -> String {
    if x.is_nan() {
        return "NaN".to_string();
    }
    if x.is_infinite() {
        return if x > 0.0 { "Infinity" } else { "-Infinity" }.to_string();
    }
    let scientific = format!("{x:e}"); // shortest digits, as "1.5e-7"
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{x}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn dump_string(out: &mut String, text: &str, ensure_ascii: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || (ensure_ascii && c > '~') => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
