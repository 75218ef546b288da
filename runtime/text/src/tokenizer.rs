//! The tokenizer of a checkpoint: tokenizer.json for ids, tokenizer_config.json for the names of special tokens.

use serde_json::{Map, Value as Json};
use tokenizers::Tokenizer;

use crate::chat::ChatTemplate;
use crate::Result;

pub struct TextTokenizer {
    tokenizer: Tokenizer,
    chat: Option<ChatTemplate>,
}

impl TextTokenizer {
    pub fn new(tokenizer_json: &str, config: Option<&str>, chat_template: Option<&str>) -> Result<Self> {
        let mut tokenizer = Tokenizer::from_bytes(tokenizer_json)
            .map_err(|e| format!("tokenizer.json: {}", one_line(&e.to_string())))?;
        // Some files carry the truncation and padding of a training run. Inference wants every token, and only those.
        tokenizer.with_truncation(None).map_err(|e| format!("tokenizer.json: {}", one_line(&e.to_string())))?;
        tokenizer.with_padding(None);

        let config = match config {
            Some(text) => match serde_json::from_str::<Json>(text) {
                Ok(Json::Object(map)) => map,
                Ok(_) => return Err("tokenizer_config.json: expected an object".to_string()),
                Err(e) => return Err(format!("tokenizer_config.json: {e}")),
            },
            None => Map::new(),
        };
        let chat = ChatTemplate::new(&config, chat_template, special_tokens(&config))?;
        Ok(Self { tokenizer, chat })
    }

    pub fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>> {
        // The "fast" form leaves out character offsets, which nobody here reads.
        let encoding = self
            .tokenizer
            .encode_fast(text, add_special_tokens)
            .map_err(|e| format!("cannot encode: {}", one_line(&e.to_string())))?;
        Ok(encoding.get_ids().to_vec())
    }

    pub fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String> {
        self.tokenizer
            .decode(ids, skip_special_tokens)
            .map_err(|e| format!("cannot decode: {}", one_line(&e.to_string())))
    }

    /// Whether `decode` would drop this id: unknown, or special and to be skipped.
    pub fn is_dropped(&self, id: u32, skip_special_tokens: bool) -> bool {
        match self.tokenizer.id_to_token(id) {
            None => true,
            Some(token) => skip_special_tokens && self.tokenizer.get_added_vocabulary().is_special_token(&token),
        }
    }

    pub fn chat(&self) -> Option<&ChatTemplate> {
        self.chat.as_ref()
    }
}

/// Every `…_token` of the config, as templates see them: `bos_token` and so on, and the named extra tokens of multimodal
/// models. A value is a string, or an object with a `content`.
fn special_tokens(config: &Map<String, Json>) -> Map<String, Json> {
    let text_of = |value: &Json| match value {
        Json::String(s) => Some(s.clone()),
        Json::Object(o) => o.get("content").and_then(Json::as_str).map(str::to_string),
        _ => None,
    };
    let mut tokens = Map::new();
    for (key, value) in config {
        if key.ends_with("_token") {
            if let Some(text) = text_of(value) {
                tokens.insert(key.clone(), Json::String(text));
            }
        }
    }
    for group in ["extra_special_tokens", "model_specific_special_tokens"] {
        if let Some(Json::Object(named)) = config.get(group) {
            for (key, value) in named {
                if let Some(text) = text_of(value) {
                    tokens.insert(key.clone(), Json::String(text));
                }
            }
        }
    }
    tokens
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
