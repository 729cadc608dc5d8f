package main

import (
	"strconv"
	"strings"
)

// pair is one key of a struct tag, or "" without a value.
func pair(key, value string) string {
	if value == "" {
		return ""
	}
	return key + ":" + strconv.Quote(value)
}

// structTag is a struct tag as Go source, raw where it can be.
func structTag(pairs ...string) string {
	var set []string
	for _, p := range pairs {
		if p != "" {
			set = append(set, p)
		}
	}
	tag := strings.Join(set, " ")
	if strings.Contains(tag, "`") {
		return strconv.Quote(tag)
	}
	return "`" + tag + "`"
}
