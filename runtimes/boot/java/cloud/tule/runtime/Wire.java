package cloud.tule.runtime;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;

/**
 * The frames on descriptor 3 (frame.go): four bytes of length, one of kind, the body. The descriptor is a
 * socket, which no file system names; FileInputStream reads it all the same, given the descriptor itself.
 */
final class Wire {
    static final char READY = 'r';
    static final char FAULT = 'x';
    static final char LOG = 'l';
    static final char RESULT = 's';
    static final char ERROR = 'e';
    static final byte NEXT = 'n';

    private static final int FD = 3;
    private static final int HEADER = 5;
    private static final int KEPT = 64 << 10; // of memory between frames

    private final InputStream in;
    private final OutputStream out;
    private byte[] buffer = new byte[4096];

    Wire() throws ReflectiveOperationException {
        // The jar's manifest opens java.io to us.
        Constructor<FileDescriptor> c = FileDescriptor.class.getDeclaredConstructor(int.class);
        c.setAccessible(true);
        FileDescriptor fd = c.newInstance(FD);
        in = new FileInputStream(fd);
        out = new FileOutputStream(fd);
    }

    /** The next frame's body; null at the end of the conversation. */
    byte[] receive() throws IOException {
        byte[] header = new byte[HEADER];
        if (!fill(header)) {
            return null;
        }
        byte[] body = new byte[u32(header, 0)];
        return fill(body) ? body : null;
    }

    private boolean fill(byte[] b) throws IOException {
        for (int have = 0; have < b.length;) {
            int n = in.read(b, have, b.length - have);
            if (n < 0) {
                return false;
            }
            have += n;
        }
        return true;
    }

    /** Sends a frame whose body is both parts. Nobody listens any more when that fails, and the process ends. */
    synchronized void send(char kind, byte[] lead, byte[] body) {
        int whole = HEADER + lead.length + body.length;
        boolean outcome = kind == RESULT || kind == ERROR;
        int size = outcome ? whole + HEADER : whole;
        byte[] b = size <= buffer.length ? buffer : new byte[size];
        if (size <= KEPT) {
            buffer = b;
        }
        int n = whole - HEADER;
        b[0] = (byte) (n >> 24);
        b[1] = (byte) (n >> 16);
        b[2] = (byte) (n >> 8);
        b[3] = (byte) n;
        b[4] = (byte) kind;
        System.arraycopy(lead, 0, b, HEADER, lead.length);
        System.arraycopy(body, 0, b, HEADER + lead.length, body.length);
        if (outcome) { // an empty frame behind it: the next event may come
            java.util.Arrays.fill(b, whole, size, (byte) 0);
            b[size - 1] = NEXT;
        }
        try {
            out.write(b, 0, size);
        } catch (IOException e) {
            Runtime.getRuntime().halt(1);
        }
    }

    private static final byte[] NOTHING = {};

    void send(char kind, byte[] body) {
        send(kind, NOTHING, body);
    }

    static int u32(byte[] b, int at) {
        return (b[at] & 255) << 24 | (b[at + 1] & 255) << 16 | (b[at + 2] & 255) << 8 | b[at + 3] & 255;
    }
}
