"""Every error hark raises, in one tree.

```
HarkError                          hint: what to do about it, param: the option it is about, http_status
├── AudioError (ValueError)            the audio cannot be used
│   ├── AudioNotFoundError (FileNotFoundError)   no such file
│   ├── AudioUnreadableError               not audio, a folder, no permission, a broken file
│   ├── AudioEmptyError                    no samples in it
│   └── AudioTooLargeError                 over a limit on seconds or bytes
├── FetchError (OSError)               a URL could not be fetched
│   └── FetchRefusedError (PermissionError)      a URL that may not be fetched
├── ConversationError (ValueError)     messages that make no sense
├── OptionError (ValueError)           an option with a wrong value
├── UnsupportedError (ValueError)      the model cannot do what was asked
├── ModelError (RuntimeError)          the model failed
│   ├── ModelNotFoundError (LookupError)         no such model here
│   ├── ModelBrokenError                   its folder is incomplete or unreadable
│   └── CutOffError                        a structured answer broke off; `answer` is what there is of it
├── DataError (ValueError)             a data set, or an entry of it, that cannot be read or written
├── OutputError (OSError)              a result could not be written
├── RequestError (ValueError)          a request to hark's server that it does not take
│   ├── NotAllowedError (PermissionError)        no key, or a wrong one
│   ├── ForeignError (PermissionError)           from a web page, or to a name, that was not allowed
│   ├── NotServedError (LookupError)             no such model or page here
│   ├── TooLargeError                            over a limit on bytes, seconds or clips
│   ├── BusyError                                too many requests; `retry_after` says when to come again
│   └── DeadlineError (TimeoutError)             it took longer than the server's limit
├── SettingsError (ValueError)         the settings file or an environment variable is wrong
└── MissingExtraError (ImportError)    a feature whose packages are not installed
```

Each is also the builtin in brackets, so callers need not import hark to catch it.
"""

from typing import ClassVar


class HarkError(Exception):
    """Base of all errors of hark: a sentence, a hint on what to do, the option it is about, and its HTTP status."""

    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "", param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.param = param

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling (worker processes), the hint included."""
        return _rebuild, (type(self), self.message, self.hint, self.param)


def _rebuild(kind: type[HarkError], message: str, hint: str, param: str | None) -> HarkError:
    error = kind(message, hint=hint)
    error.param = param
    return error


class AudioError(HarkError, ValueError):
    """The audio cannot be used."""

    http_status = 400


class AudioNotFoundError(AudioError, FileNotFoundError):
    """There is no such file."""


class AudioUnreadableError(AudioError):
    """It is not audio, or it is broken, a folder, or may not be read."""


class AudioEmptyError(AudioError):
    """There is not one sample in it."""


class AudioTooLargeError(AudioError):
    """It is longer, or larger, than the limits in the settings."""

    http_status = 413


class FetchError(HarkError, OSError):
    """A URL could not be fetched."""

    http_status = 400


class FetchRefusedError(FetchError, PermissionError):
    """A URL leads where hark may not go: a private address, another scheme, too many redirects."""


class ConversationError(HarkError, ValueError):
    """Messages that are malformed or make no sense together."""

    http_status = 400


class OptionError(HarkError, ValueError):
    """An option has a value that is not allowed."""

    http_status = 400


class UnsupportedError(HarkError, ValueError):
    """The model cannot do what was asked; the hint names what can."""

    http_status = 400


class ModelError(HarkError, RuntimeError):
    """The model failed while it worked."""


class ModelNotFoundError(ModelError, LookupError):
    """There is no such model on this machine."""

    http_status = 404


class ModelBrokenError(ModelError):
    """A model's folder is incomplete or cannot be read."""


class CutOffError(ModelError):
    """The JSON of a structured answer broke off at a limit of tokens; `answer` is the `Answer` as far as it goes."""

    def __init__(self, message: str, *, hint: str = "", answer: object = None) -> None:
        super().__init__(message, hint=hint)
        self.answer = answer


class DataError(HarkError, ValueError):
    """A data set, or an entry of it, that cannot be read, or that a format cannot hold; the message names the place."""

    http_status = 400


class OutputError(HarkError, OSError):
    """A result could not be written: no such folder, no permission, a full disk."""


class RequestError(HarkError, ValueError):
    """A request to hark's server that it does not take."""

    http_status = 400


class NotAllowedError(RequestError, PermissionError):
    """The server wants a key, and there is none, or a wrong one."""

    http_status = 401


class ForeignError(RequestError, PermissionError):
    """The request comes from a web page, or is to a name, that the server was not told of."""

    http_status = 403


class NotServedError(RequestError, LookupError):
    """The server has no such model, or no such page."""

    http_status = 404


class TooLargeError(RequestError):
    """The request is over a limit of the server on bytes, seconds or clips."""

    http_status = 413


class BusyError(RequestError):
    """There are too many requests; `retry_after` are the seconds after which to come again."""

    http_status = 429

    def __init__(self, message: str, *, hint: str = "", retry_after: float = 1.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class DeadlineError(RequestError, TimeoutError):
    """The request took longer than the server allows."""

    http_status = 408


class SettingsError(HarkError, ValueError):
    """The settings file or an environment variable is wrong."""


class MissingExtraError(HarkError, ImportError):
    """The feature needs packages that are not installed; the hint is the pip line."""

    http_status = 501

    @classmethod
    def of(cls, feature: str, extra: str) -> "MissingExtraError":
        """Name the feature and the extra that brings it."""
        return cls(
            f"{feature} needs packages that are not installed.",
            hint=f"pip install 'hark-audio[{extra}]', or in a checkout: pip install -e '.[{extra}]'",
        )
