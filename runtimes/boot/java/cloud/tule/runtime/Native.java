package cloud.tule.runtime;

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * What Java cannot do, for a process that waited for its function: enter the folder of its code, which was mounted
 * later, and let children inherit its variables. The library is of Tule's making (native.go).
 */
final class Native {
    private static final String TASK = "/var/task";
    private static final String LIBRARY = "/var/runtime/native.so";

    private static boolean ready;
    private static ByteBuffer block; // what environ points to

    private Native() {}

    /** Loads the library, where that is. */
    static void prepare() {
        if (new File(LIBRARY).exists()) {
            System.load(LIBRARY);
            ready = true;
        }
    }

    /** Enters the folder, and has the variables. */
    static void take(String root, List<?> variables) {
        if (!ready || !root.equals(TASK)) {
            return; // no sandbox
        }
        if (enter() != 0) {
            throw new IllegalStateException("the folder " + TASK + " cannot be entered");
        }
        byte[][] texts = new byte[variables.size()][];
        int size = 8 * (texts.length + 1);
        for (int i = 0; i < texts.length; i++) {
            texts[i] = ((String) variables.get(i)).getBytes(StandardCharsets.UTF_8);
            size += texts[i].length + 1;
        }
        block = ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder());
        long base = address(block);
        int at = 8 * (texts.length + 1);
        for (int i = 0; i < texts.length; i++) {
            block.putLong(8 * i, base + at);
            for (byte b : texts[i]) {
                block.put(at++, b);
            }
            at++; // the zero at its end
        }
        adopt(base);
    }

    private static native int enter();

    private static native long address(ByteBuffer buffer);

    private static native void adopt(long environ);
}
