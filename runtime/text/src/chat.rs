//! Chat templates: Jinja from the checkpoint, rendered as Hugging Face transformers does it.
//!
//! The template decides the text, but not alone. transformers drops top-level nulls of a message, fills the aliases of
//! `reasoning_content`, refuses an empty conversation, and offers its own `tojson`, `strftime_now`, `raise_exception`
//! and special tokens. All of this is needed to get the same prompt.

use std::fmt::Write;

use chrono::format::{Item, StrftimeItems};
use chrono::{Local, NaiveDateTime};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value};
use minijinja_contrib::pycompat;
use serde_json::{Map, Value as Json};

use crate::json_dump::tojson;
use crate::Result;

/// Template instructions per rendering, so that a hostile template ends with an error: a few seconds at most. A long
/// conversation with tools needs some hundred per message.
const FUEL: u64 = 50_000_000;

/// Names under which a message's reasoning arrives; templates read the first (gpt-oss the second).
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

pub struct ChatTemplate {
    /// Templates by name; most checkpoints have one, "default".
    environment: Environment<'static>,
    /// Errors of templates that do not parse, told when one is used: encoding text must work without it.
    broken: Map<String, Json>,
    special_tokens: Map<String, Json>,
}

impl ChatTemplate {
    /// None when neither the file nor the config holds a template. The file wins, as in transformers.
    pub fn new(
        config: &Map<String, Json>,
        file: Option<&str>,
        special_tokens: Map<String, Json>,
    ) -> Result<Option<Self>> {
        let mut sources: Vec<(&str, &str)> = Vec::new();
        if let Some(text) = file {
            sources.push(("default", text));
        } else {
            match config.get("chat_template") {
                None | Some(Json::Null) => {}
                Some(Json::String(text)) => sources.push(("default", text)),
                Some(Json::Array(list)) => {
                    for entry in list {
                        let text_of = |key| entry.get(key).and_then(Json::as_str);
                        match (text_of("name"), text_of("template")) {
                            (Some(name), Some(text)) => sources.push((name, text)),
                            _ => {
                                return Err(
                                    "tokenizer_config.json: an entry of chat_template lacks a name or a template"
                                        .to_string(),
                                )
                            }
                        }
                    }
                }
                Some(_) => {
                    return Err("tokenizer_config.json: chat_template is neither a string nor a list".to_string())
                }
            }
        }
        if sources.is_empty() {
            return Ok(None);
        }

        let mut environment = new_environment()?;
        let mut broken = Map::new();
        for (name, text) in sources {
            if let Err(e) = environment.add_template_owned(name.to_string(), without_generation_tags(text)) {
                broken.insert(name.to_string(), Json::String(describe(&e)));
            }
        }
        Ok(Some(Self { environment, broken, special_tokens }))
    }

    /// `request`: JSON object with `messages`, and what else the template takes. See tq_text.h.
    pub fn render(&self, request: &str) -> Result<String> {
        let mut request = match serde_json::from_str::<Json>(request) {
            Ok(Json::Object(map)) => map,
            Ok(_) => return Err("chat request: expected a JSON object".to_string()),
            Err(e) => return Err(format!("chat request: {e}")),
        };
        let messages = prepare_messages(request.shift_remove("messages"))?;
        let now = match request.shift_remove("now") {
            None | Some(Json::Null) => Local::now().naive_local(),
            Some(Json::String(text)) => text
                .parse::<NaiveDateTime>()
                .map_err(|e| format!("chat request: now is not a time such as 2026-02-03T14:05:09: {e}"))?,
            Some(_) => return Err("chat request: now is not a string".to_string()),
        };

        let has_tools = request.get("tools").is_some_and(|tools| !tools.is_null());
        let name = self.choose(has_tools)?;

        let mut context = self.special_tokens.clone();
        context.insert("tools".to_string(), Json::Null);
        context.insert("documents".to_string(), Json::Null);
        context.insert("add_generation_prompt".to_string(), Json::Bool(false));
        context.extend(request);
        context.insert("messages".to_string(), messages);

        // A clone shares the compiled templates; the time of this rendering is the only difference.
        let mut environment = self.environment.clone();
        environment.add_function("strftime_now", move |format: &str| strftime(&now, format));
        environment
            .get_template(name)
            .and_then(|template| template.render(Value::from(Serde(&Json::Object(context)))))
            .map_err(|e| format!("chat template: {}", describe(&e)))
    }

    fn choose(&self, has_tools: bool) -> Result<&'static str> {
        let exists = |name: &str| self.broken.contains_key(name) || self.environment.get_template(name).is_ok();
        let name = if has_tools && exists("tool_use") { "tool_use" } else { "default" };
        match self.broken.get(name) {
            Some(message) => Err(format!("chat template: {}", message.as_str().unwrap_or_default())),
            None if exists(name) => Ok(name),
            None => Err("chat template: there are several, and none is named default".to_string()),
        }
    }
}

fn prepare_messages(messages: Option<Json>) -> Result<Json> {
    let Some(Json::Array(list)) = messages else {
        return Err("chat request: messages is not a list".to_string());
    };
    if list.is_empty() {
        return Err("chat request: the conversation is empty; give at least one message".to_string());
    }
    let mut prepared = Vec::with_capacity(list.len());
    for (index, message) in list.into_iter().enumerate() {
        let Json::Object(mut message) = message else {
            return Err(format!("chat request: message {index} is not an object"));
        };
        message.retain(|_, value| !value.is_null());
        if let Some(reasoning) = REASONING.iter().find_map(|key| message.get(*key)).cloned() {
            message.entry("thinking").or_insert_with(|| reasoning.clone());
            message.insert("reasoning_content".to_string(), reasoning);
        }
        prepared.push(Json::Object(message));
    }
    Ok(Json::Array(prepared))
}

fn new_environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(|e| describe(&e))?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(pycompat::unknown_method_callback);
    environment.set_fuel(Some(FUEL));
    minijinja_contrib::add_to_environment(&mut environment); // cycler, joiner, truncate, …: Jinja has them built in
    environment.add_filter("tojson", tojson);
    environment.add_function("raise_exception", |message: Value| -> std::result::Result<Value, Error> {
        let text = match message.kind() {
            ValueKind::String => message.as_str().unwrap_or_default().to_string(),
            _ => message.to_string(),
        };
        Err(Error::new(ErrorKind::InvalidOperation, text))
    });
    Ok(environment)
}

/// Python's strftime for a time without zone. chrono differs in `%f` (nanoseconds there), `%z` and `%Z` (empty in
/// Python), and its `to_string` panics on a directive that it does not know.
fn strftime(now: &NaiveDateTime, format: &str) -> std::result::Result<String, Error> {
    let mut translated = String::with_capacity(format.len());
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        translated.push(c);
        if c != '%' {
            continue;
        }
        match chars.next() {
            Some('f') => translated.push_str("6f"),
            Some('z' | 'Z') => {
                translated.pop();
            }
            Some(directive) => translated.push(directive),
            None => {}
        }
    }
    let invalid = || Error::new(ErrorKind::InvalidOperation, format!("strftime_now: cannot format {format:?}"));
    let items: Vec<Item> = StrftimeItems::new(&translated).collect();
    if items.contains(&Item::Error) {
        return Err(invalid());
    }
    let mut text = String::new();
    write!(text, "{}", now.format_with_items(items.iter())).map_err(|_| invalid())?;
    Ok(text)
}

/// `{% generation %}` marks the assistant's words for training; it prints its body. The engine does not know the tag, so
/// it becomes an `if` that is always true: same text, same handling of white space around the tag.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at + 2);
        out.push_str(before);
        rest = tag;
        let inner = tag.trim_start_matches(['-', '+']).trim_start();
        for (word, replacement) in [("generation", "if true"), ("endgeneration", "endif")] {
            let Some(after) = inner.strip_prefix(word) else { continue };
            if after.trim_start().trim_start_matches(['-', '+']).starts_with("%}") {
                out.push_str(&tag[..tag.len() - inner.len()]);
                out.push_str(replacement);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The message of `raise_exception` as it stands, and the template line for everything else.
fn describe(error: &Error) -> String {
    let message = match error.detail() {
        Some(detail) => detail.to_string(),
        None => error.kind().to_string(),
    };
    match error.line() {
        Some(line) => format!("{message} (line {line})"),
        None => message,
    }
}
