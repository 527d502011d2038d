package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// object is a JSON object.
type object map[string]any

// exchange is one request and its answer.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	base string // "http://127.0.0.1:9292"
}

// mediaType is what Pact brokers answer.
const mediaType = "application/hal+json;charset=utf-8"

// answer writes one document.
func (x exchange) answer(status int, doc any) {
	x.w.Header().Set("Content-Type", mediaType)
	x.w.WriteHeader(status)
	json.NewEncoder(x.w).Encode(doc) // a client that is gone reads no error either
}

// refusal is an error that the client is told with this status.
type refusal struct {
	status int
	text   string
	fields object // mistakes by field; nil: there is only the text
	extra  object // more members of the document
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, text: fmt.Sprintf(format, args...)}
}

// fail answers an error in the two forms that clients of brokers read.
func (x exchange) fail(err error) {
	var r *refusal
	if !errors.As(err, &r) {
		r = &refusal{status: http.StatusInternalServerError, text: err.Error()}
	}
	doc := object{"error": object{"message": r.text}, "errors": []string{r.text}}
	if r.fields != nil {
		doc["errors"] = r.fields
	}
	for k, v := range r.extra {
		doc[k] = v
	}
	x.answer(r.status, doc)
}

// read decodes the body, whose size the handler has bounded.
func (x exchange) read(out any) error {
	err := json.NewDecoder(x.r.Body).Decode(out)
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return refuse(http.StatusRequestEntityTooLarge, "the body is over %d bytes", big.Limit)
	case err != nil:
		return refuse(http.StatusBadRequest, "read body: %v", err)
	}
	return nil
}

// path joins words to a path, each escaped as one segment: "/pacticipants/a%2Fb". Words that begin with
// a slash stand as they are.
func path(words ...string) string {
	var b strings.Builder
	for _, w := range words {
		if strings.HasPrefix(w, "/") {
			b.WriteString(w)
			continue
		}
		b.WriteByte('/')
		b.WriteString(url.PathEscape(w))
	}
	return b.String()
}

// link makes a link, with more members in pairs of name and value.
func (x exchange) link(path string, more ...string) object {
	out := object{"href": x.base + path}
	for i := 0; i+1 < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	if strings.Contains(path, "{") {
		out["templated"] = true
	}
	return out
}

// notice is a line that clients print.
func notice(kind, format string, args ...any) object {
	return object{"type": kind, "text": fmt.Sprintf(format, args...)}
}
