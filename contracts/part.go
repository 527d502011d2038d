package contracts

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// Request is what the consumer sends by HTTP.
type Request struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"` // begins with "/"
	Query   map[string]Values `json:"query"`
	Headers map[string]Values `json:"headers"`
	Body    *Body             `json:"body"`
	Rules   json.RawMessage   `json:"matchingRules"`
}

// Response is what the consumer expects back.
type Response struct {
	Status  int               `json:"status"`
	Headers map[string]Values `json:"headers"`
	Body    *Body             `json:"body"`
	Rules   json.RawMessage   `json:"matchingRules"`
}

// Content is one message: a body with metadata, such as its routing key or the status of a call.
type Content struct {
	Body     *Body           `json:"contents"`
	Metadata map[string]any  `json:"metadata"`
	Rules    json.RawMessage `json:"matchingRules"`
}

// Body is a payload as Pact V4 writes it.
type Body struct {
	Content     json.RawMessage `json:"content"`
	ContentType string          `json:"contentType"`
	Encoded     any             `json:"encoded"` // false, "base64" or "json"
}

// Bytes returns the payload as it goes over the wire.
func (b *Body) Bytes() ([]byte, error) {
	if b == nil || len(b.Content) == 0 || string(b.Content) == "null" {
		return nil, nil
	}
	var text string
	if b.Content[0] != '"' || strings.EqualFold(fmt.Sprint(b.Encoded), "json") {
		return b.Content, nil
	}
	if err := json.Unmarshal(b.Content, &text); err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if encoded := b.Encoded; encoded == true || encoded == "base64" {
		return base64.StdEncoding.DecodeString(text)
	}
	return []byte(text), nil
}

// Values is the values of one header or of one parameter of a query.
type Values []string

// UnmarshalJSON reads one value or a list of them; older files hold only one.
func (v *Values) UnmarshalJSON(body []byte) error {
	if !bytes.HasPrefix(body, []byte("[")) {
		body = append(append([]byte{'['}, body...), ']')
	}
	var list []any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&list); err != nil {
		return err
	}
	*v = make(Values, len(list))
	for i, one := range list {
		switch one := one.(type) {
		case nil:
		case string, json.Number, bool:
			(*v)[i] = fmt.Sprint(one)
		default:
			return fmt.Errorf("a value is no text")
		}
	}
	return nil
}
