package cloud.tule.runtime;

import com.amazonaws.services.lambda.runtime.Context;

/** A function's handler, as bytes to bytes. */
interface Handler {
    byte[] call(byte[] event, Context context) throws Throwable;
}
