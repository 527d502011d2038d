package main

import (
	"net/http"
	"strings"

	"msctl.dev/msctl/services/kit"
)

// Rendered is a text with its variables filled in.
type Rendered struct {
	Template string `json:"template"`
	Version  int64  `json:"version"`
	Channel  string `json:"channel"`
	Language string `json:"language"` // the one that was found, not the one that was asked for
	Text
}

// render fills in the text of a channel in the best language that there is. Every variable of that
// text must be given; what is given beyond them is left alone.
func (t Template) render(channel, language string, values map[string]string) (Rendered, error) {
	found, text, ok := t.pick(channel, language)
	if !ok {
		return Rendered{}, kit.Errorf(http.StatusUnprocessableEntity, "no-text",
			"template %q has no text for %q", t.ID, channel)
	}
	var bad kit.Invalid
	for _, name := range text.variables() {
		_, given := values[name]
		bad.Must(given, "variables."+name, "is missing")
	}
	if err := bad.Err(); err != nil {
		return Rendered{}, err
	}
	out := Rendered{Template: t.ID, Version: t.Version, Channel: channel, Language: found}
	out.Subject = oneLine.Replace(fill(text.Subject, values))
	out.Body = fill(text.Body, values)
	return out, nil
}

// oneLine keeps a value from adding headers to a mail.
var oneLine = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ")

// fill replaces each variable once: braces inside a value mean nothing.
func fill(text string, values map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(s string) string {
		return values[variable.FindStringSubmatch(s)[1]]
	})
}

// pick walks from the language to ever wider ones, pt-BR, pt, and then to the default.
func (t Template) pick(channel, language string) (string, Text, bool) {
	for l := language; l != ""; l = wider(l) {
		if text, ok := t.Languages[l][channel]; ok {
			return l, text, true
		}
	}
	text, ok := t.Languages[t.Default][channel]
	return t.Default, text, ok
}

// wider returns the language without its last part, "" when it has only one.
func wider(language string) string {
	return language[:max(0, strings.LastIndexByte(language, '-'))]
}
