package cloud.tule.runtime;

import java.io.IOException;

/** JSON that is none, or that does not fit a type. */
final class JsonException extends IOException {
    private static final long serialVersionUID = 1;

    JsonException(String message) {
        super(message);
    }

    JsonException(String message, Throwable cause) {
        super(message, cause);
    }
}
