package chaos

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"msctl.dev/msctl/internal/proxy"
)

var body = Kind{
	Name:      "body",
	Doc:       "text or a field of JSON is replaced in the body of an answer of HTTP, or with stream=up of a request; up to 1 MiB",
	Layer:     HTTP,
	Stream:    "down",
	Match:     byRequest,
	Protocols: overHTTP,
	Params: []Param{
		{Name: "replace", Doc: "a text, wherever it stands", Type: Text},
		{Name: "field", Doc: "a field of JSON: total, or items.0.price", Type: Text},
		{Name: "by", Doc: "what comes in its place: text, or JSON for a field; the field is removed where it is not given", Type: Text},
	},
	Example: `orders:payments body,field=status,by='"\"declined\""' match=/charge`,
	New: func(a Args) (proxy.Fault, error) {
		by := a.Text("by")
		switch old, field := a.Text("replace"), a.Text("field"); {
		case (old == "") == (field == ""):
			return nil, wrong("write body=paid,by=declined or body,field=total,by=0", "read body: it needs replace= or field=")
		case old != "":
			return onRequests(a, "body "+old, patch(a, proxy.Patch{Body: func(_ string, b []byte) []byte {
				return bytes.ReplaceAll(b, []byte(old), []byte(by))
			}}))
		case a.Given("by") && !json.Valid([]byte(by)):
			return nil, wrong(`write by=0, by=null or by="\"text\""`, "read body: by=%s is not JSON", by)
		default:
			return onRequests(a, "body "+field, patch(a, proxy.Patch{Body: func(_ string, b []byte) []byte {
				return setField(b, strings.Split(field, "."), json.RawMessage(by))
			}}))
		}
	},
}

// setField replaces a field of JSON, or removes it where there is nothing in its place. What is not JSON, or has
// no such field, stays as it is.
func setField(b []byte, path []string, by json.RawMessage) []byte {
	out, ok := setIn(b, path, by)
	if !ok {
		return b
	}
	return out
}

func setIn(b []byte, path []string, by json.RawMessage) ([]byte, bool) {
	if len(path) == 0 {
		return by, true
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(b, &object) == nil && object != nil {
		old, ok := object[path[0]]
		if !ok {
			return nil, false
		}
		value, ok := setIn(old, path[1:], by)
		if !ok {
			return nil, false
		}
		if object[path[0]] = value; len(value) == 0 {
			delete(object, path[0])
		}
		out, err := json.Marshal(object)
		return out, err == nil
	}
	var list []json.RawMessage
	i, err := strconv.Atoi(path[0])
	if err != nil || i < 0 || json.Unmarshal(b, &list) != nil || i >= len(list) {
		return nil, false
	}
	value, ok := setIn(list[i], path[1:], by)
	if !ok {
		return nil, false
	}
	if list[i] = value; len(value) == 0 {
		list = append(list[:i], list[i+1:]...)
	}
	out, err := json.Marshal(list)
	return out, err == nil
}
