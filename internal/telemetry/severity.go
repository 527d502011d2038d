package telemetry

import "strings"

// severities are the words that loggers write for a level. They are matched whole: "errors:" begins a
// sentence.
var severities = map[string]Severity{
	"trace": Trace0, "finest": Trace0, "finer": Trace0, "verbose": Trace0, "verb": Trace0,
	"debug": Debug, "dbg": Debug, "debg": Debug, "fine": Debug,
	"info": Info, "information": Info, "informational": Info, "inf": Info, "notice": Info, "log": Info,
	"warn": Warn, "warning": Warn, "wrn": Warn,
	"error": Error, "err": Error, "erro": Error, "exception": Error, "severe": Error,
	"fatal": Fatal, "critical": Fatal, "crit": Fatal, "panic": Fatal, "dpanic": Fatal, "emerg": Fatal, "emergency": Fatal, "alert": Fatal,
}

// ParseSeverity reads the word that a logger writes for a level: "WARN", "information", "err", "INFO+2",
// "debug3", … What it does not know is 0.
func ParseSeverity(word string) Severity {
	word, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(word)), "+")
	if s, known := severities[word]; known {
		return s
	}
	return severities[strings.TrimRight(word, "0123456789")]
}
