//! Detokenisation while tokens arrive.
//!
//! Rule: after each id show everything decoded so far except a trailing incomplete character (it decodes to U+FFFD);
//! never take anything back; pieces + flush = decode(all ids).
//!
//! Decoding the whole answer after each id would be quadratic, and decoding an id alone is wrong: a character may span
//! ids, and decoders treat the first id of a text in their own way (a leading space goes). So decode a short window of
//! the latest ids, compare with what of this window has been shown, and let the window slide:
//!
//!   shown before | window: [ ids whose text is shown ........ | settled: ids still waiting for more bytes ]
//!                          `shown` = decode of this part

use std::sync::Arc;

use crate::tokenizer::TextTokenizer;
use crate::Result;

const REPLACEMENT: char = '\u{FFFD}';
/// Slide when the window is longer than this: decoding it takes a few microseconds.
const WINDOW_IDS: usize = 32;
/// Ids of context kept when sliding; more are tried up to `WINDOW_IDS` when the cut would fall inside a character.
const CONTEXT_IDS: usize = 8;
/// A character has at most 4 bytes. So many ids without one complete character at the end can only be broken bytes; show
/// them, as the window would otherwise grow without end.
const MAX_PENDING_IDS: usize = 256;

pub struct TokenStream {
    tokenizer: Arc<TextTokenizer>,
    skip_special_tokens: bool,
    window: Vec<u32>,
    /// The part of decode(window) that has been given out.
    shown: String,
    /// Number of ids at the start of the window that are shown in full, and how many bytes of `shown` are theirs.
    settled: usize,
    settled_bytes: usize,
}

impl TokenStream {
    pub fn new(tokenizer: Arc<TextTokenizer>, skip_special_tokens: bool) -> Self {
        Self { tokenizer, skip_special_tokens, window: Vec::new(), shown: String::new(), settled: 0, settled_bytes: 0 }
    }

    /// Takes the next id; gives the text that may be shown now (often empty).
    pub fn push(&mut self, id: u32) -> Result<String> {
        // Such an id changes no text; keeping it would only push context out of the window.
        if self.tokenizer.is_dropped(id, self.skip_special_tokens) {
            return Ok(String::new());
        }
        self.window.push(id);
        let text = self.decode(&self.window)?;
        let complete = text.trim_end_matches(REPLACEMENT);

        if text.starts_with(&self.shown) {
            // `shown` is the longer one only after `give_up_waiting`.
            let piece = complete.get(self.shown.len()..).unwrap_or("").to_string();
            self.shown.push_str(&piece);
            let pending = self.shown.len() < text.len();
            if !pending {
                self.settle();
                self.slide(&text)?;
                return Ok(piece);
            }
            if self.window.len() - self.settled <= MAX_PENDING_IDS {
                return Ok(piece);
            }
            return Ok(piece + &self.give_up_waiting()?);
        }
        if text.ends_with(REPLACEMENT) && self.window.len() - self.settled <= MAX_PENDING_IDS {
            return Ok(String::new());
        }
        // The decoder changed its mind about what is shown already. Byte fallback does: a run of byte tokens that is
        // not UTF-8 as a whole becomes U+FFFD byte by byte, valid characters at its start included. Those stay on the
        // screen; go on behind them.
        self.restart_at_settled()
    }

    /// What is left at the end, incomplete bytes as U+FFFD. The stream is then as new.
    pub fn flush(&mut self) -> Result<String> {
        let text = self.decode(&self.window)?;
        let rest = match text.strip_prefix(self.shown.as_str()) {
            Some(rest) => rest.to_string(),
            None => {
                self.forget_settled();
                let text = self.decode(&self.window)?;
                text.strip_prefix(self.shown.as_str()).unwrap_or("").to_string()
            }
        };
        self.window.clear();
        self.shown.clear();
        self.settle();
        Ok(rest)
    }

    /// Everything in the window has been shown.
    fn settle(&mut self) {
        self.settled = self.window.len();
        self.settled_bytes = self.shown.len();
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer.decode(ids, self.skip_special_tokens)
    }

    /// Drops the oldest ids, all of them shown, where the rest decodes to the same text without them.
    fn slide(&mut self, text: &str) -> Result<()> {
        if self.window.len() <= WINDOW_IDS {
            return Ok(());
        }
        let longest = self.window.len() - 1;
        for keep in CONTEXT_IDS..=longest.min(WINDOW_IDS) {
            let start = self.window.len() - keep;
            let tail = self.decode(&self.window[start..])?;
            // An empty tail would make the next id the first of a text, and cost it its leading space.
            if !tail.is_empty() && text.ends_with(&tail) {
                self.keep_from(start, tail);
                return Ok(());
            }
        }
        if self.window.len() > MAX_PENDING_IDS {
            // No good cut in sight (text of nothing but empty tokens): bounded memory matters more than a space.
            let start = self.window.len() - CONTEXT_IDS;
            let tail = self.decode(&self.window[start..])?;
            self.keep_from(start, tail);
        }
        Ok(())
    }

    fn keep_from(&mut self, start: usize, tail: String) {
        self.window.drain(..start);
        self.shown = tail;
        self.settle();
    }

    /// Shows broken bytes that no later id can mend. The last one may still be the start of a character.
    fn give_up_waiting(&mut self) -> Result<String> {
        let text = self.decode(&self.window)?;
        let rest = &text[self.shown.len()..];
        let piece = rest.strip_suffix(REPLACEMENT).unwrap_or(rest).to_string();
        let start = self.window.len().saturating_sub(CONTEXT_IDS);
        let tail = self.decode(&self.window[start..])?;
        let tail = tail.strip_suffix(REPLACEMENT).unwrap_or(&tail).to_string();
        self.keep_from(start, tail);
        Ok(piece)
    }

    fn forget_settled(&mut self) {
        self.window.drain(..self.settled);
        self.shown.drain(..self.settled_bytes);
        self.settled = 0;
        self.settled_bytes = 0;
    }

    fn restart_at_settled(&mut self) -> Result<String> {
        self.forget_settled();
        let text = self.decode(&self.window)?;
        if !text.starts_with(&self.shown) {
            // Not seen with any decoder we know; say nothing twice and begin anew with the next id.
            self.window.clear();
            self.shown.clear();
            self.settle();
            return Ok(String::new());
        }
        let complete = text.trim_end_matches(REPLACEMENT);
        if complete.len() < text.len() && self.window.len() > MAX_PENDING_IDS {
            return self.give_up_waiting();
        }
        let piece = complete.get(self.shown.len()..).unwrap_or("").to_string();
        self.shown.push_str(&piece);
        if self.shown.len() == text.len() {
            self.settle();
        }
        Ok(piece)
    }
}
