package com.amazonaws.services.lambda.runtime;

/** How log4j's appenders say that they are there. */
public final class LambdaRuntimeInternal {
    private static volatile boolean appender;

    private LambdaRuntimeInternal() {}

    public static void setUseLog4jAppender(boolean use) {
        appender = use;
    }

    public static boolean getUseLog4jAppender() {
        return appender;
    }
}
