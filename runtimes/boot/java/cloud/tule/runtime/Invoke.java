package cloud.tule.runtime;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** An invoke frame, as frame.go makes it. */
final class Invoke {
    final long deadline; // milliseconds since 1970
    final String id;
    final String arn;
    final String trace;
    final byte[] client;
    final byte[] identity;
    final byte[] event;

    private final byte[] body;
    private int at = 8;

    Invoke(byte[] body) {
        this.body = body;
        deadline = (long) Wire.u32(body, 0) << 32 | Wire.u32(body, 4) & 0xffffffffL;
        id = text();
        arn = text();
        trace = text();
        client = field();
        identity = field();
        event = Arrays.copyOfRange(body, at, body.length);
    }

    private byte[] field() {
        int n = Wire.u32(body, at);
        at += 4 + n;
        return Arrays.copyOfRange(body, at - n, at);
    }

    private String text() {
        return new String(field(), StandardCharsets.UTF_8);
    }
}
