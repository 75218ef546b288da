//! The C ABI of tq_text.h: pointers and lengths in, malloc'ed buffers out, 1 or 0 plus an error sentence.
//!
//! Everything from outside is checked here (null pointers, sizes, UTF-8), and every entry runs inside `guard`, which
//! turns a panic of a crate below us into an ordinary error: tokenizer.json comes from the network, and `tokenizers`
//! indexes and unwraps what it read in many places.

mod chat;
mod json_dump;
mod streaming;
mod tokenizer;

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::slice;
use std::sync::{Arc, Once};

use streaming::TokenStream;
use tokenizer::TextTokenizer;

/// Larger inputs are refused. The largest tokenizer.json in use is about 35 MB; a prompt of this size is 60 M tokens.
const MAX_INPUT_BYTES: usize = 256 << 20;

type Result<T> = std::result::Result<T, String>;

/// Memory that the caller frees with `tq_text_free`; mirrors `tq_text_buffer`.
#[repr(C)]
pub struct Buffer {
    data: *mut u8, // char in C
    size: usize,
}

/// Opaque handles. A stream holds its own reference, so closing the tokenizer first is harmless.
pub struct TokenizerHandle(Arc<TextTokenizer>);
pub struct StreamHandle(TokenStream);

extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn free(data: *mut c_void);
}

/// Copies `data` into malloc'ed memory: the C side then needs no length to free it.
fn to_malloc<T: Copy>(data: &[T]) -> Result<*mut T> {
    let bytes = std::mem::size_of_val(data);
    // SAFETY: malloc gives `bytes` writable bytes, aligned for any of our element types (u8, u32).
    unsafe {
        let copy = malloc(bytes.max(1)) as *mut T;
        if copy.is_null() {
            return Err(format!("out of memory ({bytes} bytes)"));
        }
        ptr::copy_nonoverlapping(data.as_ptr(), copy, data.len());
        Ok(copy)
    }
}

/// SAFETY: `out` is null or points to a writable `tq_text_buffer`.
unsafe fn put_text(out: *mut Buffer, text: &str) -> Result<()> {
    if !out.is_null() {
        (*out).data = to_malloc(text.as_bytes())?;
        (*out).size = text.len();
    }
    Ok(())
}

/// SAFETY: `out` is null or points to a writable `tq_text_buffer`.
unsafe fn clear(out: *mut Buffer) {
    if !out.is_null() {
        (*out).data = ptr::null_mut();
        (*out).size = 0;
    }
}

/// The input as a slice. SAFETY: `data` is null or points to `count` readable elements.
unsafe fn input<'a, T>(what: &str, data: *const T, count: usize) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(format!("{what}: null pointer with a size of {count}"));
    }
    if count > MAX_INPUT_BYTES / std::mem::size_of::<T>() {
        return Err(format!(
            "{what}: {count} elements are more than the limit of {}",
            MAX_INPUT_BYTES / std::mem::size_of::<T>()
        ));
    }
    Ok(slice::from_raw_parts(data, count))
}

/// The input as text. SAFETY: as for `input`.
unsafe fn text_input<'a>(what: &str, data: *const u8, size: usize) -> Result<&'a str> {
    std::str::from_utf8(input(what, data, size)?).map_err(|e| format!("{what}: not UTF-8 (byte {})", e.valid_up_to()))
}

/// As `text_input`, but a null pointer means "not given". SAFETY: as for `input`.
unsafe fn optional_input<'a>(what: &str, data: *const u8, size: usize) -> Result<Option<&'a str>> {
    if data.is_null() && size == 0 {
        return Ok(None);
    }
    text_input(what, data, size).map(Some)
}

fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|s| s.to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_string());
    // A payload's destructor may itself panic, and this is no place to unwind from.
    if let Err(second) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        std::mem::forget(second);
    }
    text
}

/// Runs `body`; 1 and an empty `error`, or 0 and a sentence in it. SAFETY: as for `put_text`.
unsafe fn guard(error: *mut Buffer, body: impl FnOnce() -> Result<()>) -> c_int {
    // The default hook prints to stderr, which belongs to the program we are linked into.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));

    clear(error);
    let outcome = catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|payload| Err(format!("text library failed: {}", panic_message(payload))));
    match outcome {
        Ok(()) => 1,
        Err(sentence) => {
            // Nothing left to report to when even this allocation fails: the return value still says 0.
            let _ = put_text(error, &sentence);
            0
        }
    }
}

/// SAFETY: `handle` is null or a live handle of this library.
unsafe fn deref<'a, T>(what: &str, handle: *const T) -> Result<&'a T> {
    handle.as_ref().ok_or_else(|| format!("{what} is null"))
}

/// # Safety
/// See tq_text.h: pointers are null or valid for their size. The same holds for every function below.
#[no_mangle]
pub unsafe extern "C" fn tq_text_open(
    tokenizer_json: *const u8,
    tokenizer_json_size: usize,
    tokenizer_config: *const u8,
    tokenizer_config_size: usize,
    chat_template: *const u8,
    chat_template_size: usize,
    result: *mut *mut TokenizerHandle,
    error: *mut Buffer,
) -> c_int {
    guard(error, || {
        if result.is_null() {
            return Err("result pointer is null".to_string());
        }
        *result = ptr::null_mut();
        let tokenizer = TextTokenizer::new(
            text_input("tokenizer.json", tokenizer_json, tokenizer_json_size)?,
            optional_input("tokenizer_config.json", tokenizer_config, tokenizer_config_size)?,
            optional_input("chat_template.jinja", chat_template, chat_template_size)?,
        )?;
        *result = Box::into_raw(Box::new(TokenizerHandle(Arc::new(tokenizer))));
        Ok(())
    })
}

/// # Safety
/// See `tq_text_open`.
#[no_mangle]
pub unsafe extern "C" fn tq_text_close(tokenizer: *mut TokenizerHandle) {
    if !tokenizer.is_null() {
        guard(ptr::null_mut(), || {
            drop(Box::from_raw(tokenizer));
            Ok(())
        });
    }
}

/// # Safety
/// See `tq_text_open`.
#[no_mangle]
pub unsafe extern "C" fn tq_text_encode(
    tokenizer: *const TokenizerHandle,
    text: *const u8,
    text_size: usize,
    add_special_tokens: c_int,
    ids: *mut *mut u32,
    count: *mut usize,
    error: *mut Buffer,
) -> c_int {
    guard(error, || {
        if ids.is_null() || count.is_null() {
            return Err("result pointer is null".to_string());
        }
        *ids = ptr::null_mut();
        *count = 0;
        let encoded =
            deref("tokenizer", tokenizer)?.0.encode(text_input("text", text, text_size)?, add_special_tokens != 0)?;
        *ids = to_malloc(&encoded)?;
        *count = encoded.len();
        Ok(())
    })
}

/// # Safety
/// See `tq_text_open`.
#[no_mangle]
pub unsafe extern "C" fn tq_text_decode(
    tokenizer: *const TokenizerHandle,
    ids: *const u32,
    count: usize,
    skip_special_tokens: c_int,
    text: *mut Buffer,
    error: *mut Buffer,
) -> c_int {
    guard(error, || {
        clear(text);
        let tokenizer = deref("tokenizer", tokenizer)?;
        put_text(text, &tokenizer.0.decode(input("ids", ids, count)?, skip_special_tokens != 0)?)
    })
}

/// # Safety
/// See `tq_text_open`.
#[no_mangle]
pub unsafe extern "C" fn tq_text_has_chat_template(tokenizer: *const TokenizerHandle) -> c_int {
    c_int::from(tokenizer.as_ref().is_some_and(|t| t.0.chat().is_some()))
}

/// # Safety
/// See `tq_text_open`.
#[no_mangle]
pub unsafe extern "C" fn tq_text_apply_chat_template(
    tokenizer: *const TokenizerHandle,
    request: *const u8,
    request_size: usize,
    text: *mut Buffer,
    error: *mut Buffer,
) -> c_int {
    guard(error, || {
        clear(text);
        let tokenizer = deref("tokenizer", tokenizer)?;
        let request = text_input("chat request", request, request_size)?;
        let chat = tokenizer.0.chat().ok_or_else(|| {
            "no chat template: neither chat_template.jinja nor tokenizer_config.json has one".to_string()
        })?;
        put_text(text, &chat.render(request)?)
    })
}

/// # Safety
/// See `tq_text_open`.
#[no_mangle]
pub unsafe extern "C" fn tq_text_stream_open(
    tokenizer: *const TokenizerHandle,
    skip_special_tokens: c_int,
    result: *mut *mut StreamHandle,
    error: *mut Buffer,
) -> c_int {
    guard(error, || {
        if result.is_null() {
            return Err("result pointer is null".to_string());
        }
        *result = ptr::null_mut();
        let tokenizer = deref("tokenizer", tokenizer)?.0.clone();
        let stream = TokenStream::new(tokenizer, skip_special_tokens != 0);
        *result = Box::into_raw(Box::new(StreamHandle(stream)));
        Ok(())
    })
}

/// # Safety
/// See `tq_text_open`.
#[no_mangle]
pub unsafe extern "C" fn tq_text_stream_push(
    stream: *mut StreamHandle,
    id: u32,
    text: *mut Buffer,
    error: *mut Buffer,
) -> c_int {
    guard(error, || {
        clear(text);
        let stream = stream.as_mut().ok_or_else(|| "stream is null".to_string())?;
        put_text(text, &stream.0.push(id)?)
    })
}

/// # Safety
/// See `tq_text_open`.
#[no_mangle]
pub unsafe extern "C" fn tq_text_stream_flush(
    stream: *mut StreamHandle,
    text: *mut Buffer,
    error: *mut Buffer,
) -> c_int {
    guard(error, || {
        clear(text);
        let stream = stream.as_mut().ok_or_else(|| "stream is null".to_string())?;
        put_text(text, &stream.0.flush()?)
    })
}

/// # Safety
/// See `tq_text_open`.
#[no_mangle]
pub unsafe extern "C" fn tq_text_stream_close(stream: *mut StreamHandle) {
    if !stream.is_null() {
        guard(ptr::null_mut(), || {
            drop(Box::from_raw(stream));
            Ok(())
        });
    }
}

/// # Safety
/// `data` is null or came from a function of this library.
#[no_mangle]
pub unsafe extern "C" fn tq_text_free(data: *mut c_void) {
    free(data);
}
