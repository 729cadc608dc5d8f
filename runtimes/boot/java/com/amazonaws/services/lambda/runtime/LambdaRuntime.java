package com.amazonaws.services.lambda.runtime;

import cloud.tule.runtime.Log;

/** Where log4j's appenders find the function's log. */
public final class LambdaRuntime {
    private LambdaRuntime() {}

    public static LambdaLogger getLogger() {
        return Log.logger();
    }
}
