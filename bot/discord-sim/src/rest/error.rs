//! Errors as Discord words them. <https://docs.discord.com/developers/topics/opcodes-and-status-codes#json>
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: u32,
    message: String,
    field: Option<(String, String)>,
}

impl ApiError {
    const fn of(status: StatusCode, code: u32, message: String) -> Self {
        Self { status, code, message, field: None }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::of(StatusCode::UNAUTHORIZED, 0, "401: Unauthorized".to_owned())
    }

    pub(crate) fn no_route() -> Self {
        Self::of(StatusCode::NOT_FOUND, 0, "404: Not Found".to_owned())
    }

    /// "Unknown Channel" and the like.
    pub(crate) fn unknown(what: Unknown) -> Self {
        let (code, name) = what.code();
        Self::of(StatusCode::NOT_FOUND, code, format!("Unknown {name}"))
    }

    pub(crate) fn missing_permissions() -> Self {
        Self::of(StatusCode::FORBIDDEN, 50013, "Missing Permissions".to_owned())
    }

    pub(crate) fn not_author() -> Self {
        let message = "Cannot edit a message authored by another user".to_owned();
        Self::of(StatusCode::FORBIDDEN, 50005, message)
    }

    pub(crate) fn empty_message() -> Self {
        Self::of(StatusCode::BAD_REQUEST, 50006, "Cannot send an empty message".to_owned())
    }

    pub(crate) fn already_acknowledged() -> Self {
        let message = "Interaction has already been acknowledged.".to_owned();
        Self::of(StatusCode::BAD_REQUEST, 40060, message)
    }

    pub(crate) fn bad_json(why: impl std::fmt::Display) -> Self {
        let message = format!("The request body contains invalid JSON. ({why})");
        Self::of(StatusCode::BAD_REQUEST, 50109, message)
    }

    pub(crate) fn duplicate_command() -> Self {
        Self::invalid("name", "Application command names must be unique")
    }

    pub(crate) fn too_many_commands() -> Self {
        let message = "Maximum number of application commands reached (100)".to_owned();
        Self::of(StatusCode::BAD_REQUEST, 30032, message)
    }

    pub(crate) fn too_large() -> Self {
        Self::of(StatusCode::PAYLOAD_TOO_LARGE, 40005, "Request entity too large".to_owned())
    }

    /// One field is wrong.
    pub(crate) fn invalid(field: &str, why: impl Into<String>) -> Self {
        let mut error = Self::of(StatusCode::BAD_REQUEST, 50035, "Invalid Form Body".to_owned());
        error.field = Some((field.to_owned(), why.into()));
        error
    }
}

/// What a request may name that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    Channel,
    Guild,
    Member,
    Message,
    Role,
    User,
    Webhook,
    Interaction,
    Command,
    VoiceState,
    Attachment,
}

impl Unknown {
    const fn code(self) -> (u32, &'static str) {
        match self {
            Self::Channel => (10003, "Channel"),
            Self::Guild => (10004, "Guild"),
            Self::Member => (10007, "Member"),
            Self::Message => (10008, "Message"),
            Self::Role => (10011, "Role"),
            Self::User => (10013, "User"),
            Self::Webhook => (10015, "Webhook"),
            Self::Interaction => (10062, "interaction"),
            Self::Command => (10063, "application command"),
            Self::VoiceState => (10065, "Voice State"),
            Self::Attachment => (0, "Attachment"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({ "message": self.message, "code": self.code });
        if let Some((field, why)) = self.field {
            let errors = json!({ "_errors": [{ "code": "BASE_TYPE_BAD", "message": why }] });
            body["errors"] = json!({ (field): errors });
        }
        (self.status, Json(body)).into_response()
    }
}
