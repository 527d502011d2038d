package chaos

import "strings"

// Complete returns what the word may become that begins so, behind a target and the words given.
func Complete(given []string, begun string) []string {
	head, last, behind := "", begun, false
	if i := strings.LastIndexByte(begun, ','); i >= 0 {
		head, last, behind = begun[:i+1], begun[i+1:], true
	}
	var words []string
	if behind {
		name, _, _ := strings.Cut(begun, ",")
		name, _, _ = strings.Cut(name, "=")
		if k := Find(name); k != nil {
			words = k.words()
		}
	} else {
		for _, k := range Kinds {
			words = append(words, k.word())
		}
		for _, w := range given {
			name, _, _ := strings.Cut(w, "=")
			name, _, _ = strings.Cut(name, ",")
			if k := Find(name); k != nil {
				words = append(words, k.words()...)
			}
		}
		for _, o := range Options {
			words = append(words, o.Name+"=")
		}
	}
	var out []string
	for _, w := range words {
		if strings.HasPrefix(w, last) {
			out = append(out, head+w)
		}
	}
	return out
}

// word is how a fault of the kind begins.
func (k *Kind) word() string {
	if p := k.main(); p != nil && p.Required {
		return k.Name + "="
	}
	return k.Name
}

// words are the parameters as they begin.
func (k *Kind) words() []string {
	var out []string
	for _, p := range k.Params {
		if p.Type == Flag {
			out = append(out, p.Name)
		} else if p.Type == Choice {
			for _, c := range p.Choices {
				out = append(out, p.Name+"="+c)
			}
		} else {
			out = append(out, p.Name+"=")
		}
	}
	return out
}
