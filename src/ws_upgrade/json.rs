use std::{error::Error as StdError, fmt};

use serde::{Serialize, de::DeserializeOwned};

use super::{message::Message, typed::MessageCodec};

/// Values as JSON text messages ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259)).
///
/// ```
/// use donjon::ws_upgrade::{Json, WsSocket};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize)]
/// struct Question { a: i64, b: i64 }
///
/// #[derive(Serialize)]
/// struct Answer { sum: i64 }
///
/// async fn add(socket: WsSocket) {
///     let mut socket = socket.typed::<Question, Answer, _>(Json);
///     while let Some(received) = socket.recv().await {
///         let sent = match received {
///             Ok(Question { a, b }) => socket.send(&Answer { sum: a.wrapping_add(b) }).await,
///             Err(error) => Err(error),
///         };
///         if let Err(error) = sent {
///             return socket.close(error).await;
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a codec without settings")]
pub struct Json;

impl<In: DeserializeOwned, Out: Serialize> MessageCodec<In, Out> for Json {
    type Error = JsonError;

    fn encode(&self, value: &Out) -> Result<Message, JsonError> {
        serde_json::to_string(value).map(Message::from).map_err(|error| JsonError(Some(error)))
    }

    fn decode(&self, message: Message) -> Result<In, JsonError> {
        let text = message.as_text().ok_or(JsonError(None))?;
        serde_json::from_str(text).map_err(|error| JsonError(Some(error)))
    }
}

/// A message is no JSON text of the type, or a value has no JSON.
///
/// Its own text holds nothing of the message; that of its source may.
#[derive(Debug)]
pub struct JsonError(Option<serde_json::Error>);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "not the JSON of the type" } else { "not a text message" })
    }
}

impl StdError for JsonError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.as_ref().map(|error| error as _)
    }
}
