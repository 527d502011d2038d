package tui

import (
	"slices"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"
)

// edit is one line of text with a cursor.
type edit struct {
	text []rune
	at   int // the rune before which the next one goes
}

// maxTyped is how long a line may be.
const maxTyped = 4096

func (e *edit) String() string { return string(e.text) }

// set replaces the text, with the cursor behind it.
func (e *edit) set(text string) { e.text, e.at = []rune(text), len([]rune(text)) }

// before is the text in front of the cursor.
func (e *edit) before() string { return string(e.text[:e.at]) }

// update edits the text by a key or a paste.
func (e *edit) update(msg tea.Msg) {
	switch msg := msg.(type) {
	case tea.PasteMsg:
		e.insert(strings.Join(strings.Fields(msg.Content), " "))
	case tea.KeyPressMsg:
		switch msg.String() {
		case "left", "ctrl+b":
			e.at = max(0, e.at-1)
		case "right", "ctrl+f":
			e.at = min(len(e.text), e.at+1)
		case "home", "ctrl+a":
			e.at = 0
		case "end", "ctrl+e":
			e.at = len(e.text)
		case "alt+left", "ctrl+left", "alt+b":
			e.at = e.wordStart()
		case "alt+right", "ctrl+right", "alt+f":
			e.at = e.wordEnd()
		case "backspace", "ctrl+h":
			e.remove(e.at-1, e.at)
		case "delete", "ctrl+d":
			e.remove(e.at, e.at+1)
		case "ctrl+w", "alt+backspace", "ctrl+backspace":
			e.remove(e.wordStart(), e.at)
		case "ctrl+u":
			e.remove(0, e.at)
		case "ctrl+k":
			e.remove(e.at, len(e.text))
		default:
			e.insert(msg.Text)
		}
	}
}

// wordwise reports the keys with Alt that move or delete by words.
func wordwise(k tea.KeyPressMsg) bool {
	switch k.String() {
	case "alt+left", "alt+right", "alt+b", "alt+f", "alt+backspace":
		return true
	}
	return false
}

// insert puts what is printable of text before the cursor.
func (e *edit) insert(text string) {
	var fresh []rune
	for _, r := range text {
		if unicode.IsPrint(r) {
			fresh = append(fresh, r)
		}
	}
	fresh = fresh[:max(0, min(len(fresh), maxTyped-len(e.text)))]
	e.text = slices.Insert(e.text, e.at, fresh...)
	e.at += len(fresh)
}

func (e *edit) remove(from, to int) {
	from, to = max(0, from), min(to, len(e.text))
	if from < to {
		e.text, e.at = slices.Delete(e.text, from, to), from
	}
}

// wordStart is where the word before the cursor begins.
func (e *edit) wordStart() int {
	at := e.at
	for at > 0 && unicode.IsSpace(e.text[at-1]) {
		at--
	}
	for at > 0 && !unicode.IsSpace(e.text[at-1]) {
		at--
	}
	return at
}

// wordEnd is where the word behind the cursor ends.
func (e *edit) wordEnd() int {
	at := e.at
	for at < len(e.text) && unicode.IsSpace(e.text[at]) {
		at++
	}
	for at < len(e.text) && !unicode.IsSpace(e.text[at]) {
		at++
	}
	return at
}
