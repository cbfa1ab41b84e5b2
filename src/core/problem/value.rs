use std::borrow::Cow;

/// The value of an extension member of a [`Problem`](crate::Problem): what JSON can say, without a JSON library.
///
/// ```
/// use donjon::Value;
///
/// let errors = Value::from(vec![Value::from("too short"), Value::from(3)]);
/// assert_eq!(errors, Value::Array(vec![Value::String("too short".into()), Value::Integer(3)]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction. Beyond ±2⁵³ many readers lose digits ([RFC 8259 §6](https://www.rfc-editor.org/rfc/rfc8259#section-6)).
    Integer(i64),
    /// A text, escaped when it is written.
    String(Cow<'static, str>),
    /// A list.
    Array(Vec<Value>),
    /// Members in the order given; a name that comes twice is written once, with its last value.
    Object(Vec<(Cow<'static, str>, Value)>),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<&'static str> for Value {
    fn from(value: &'static str) -> Self {
        Self::String(Cow::Borrowed(value))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(Cow::Owned(value))
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Self {
        Self::Array(value)
    }
}
