package kit

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// Invalid collects what is wrong with an input, field by field. The zero value is ready to use.
type Invalid struct{ fields map[string]string }

// Must notes that field is wrong unless ok. The first note on a field stays.
func (v *Invalid) Must(ok bool, field, why string) {
	if ok || v.fields[field] != "" {
		return
	}
	if v.fields == nil {
		v.fields = map[string]string{}
	}
	v.fields[field] = why
}

// Err returns a 422 problem that lists every field, or nil where all is well.
func (v *Invalid) Err() error {
	if len(v.fields) == 0 {
		return nil
	}
	p := Errorf(http.StatusUnprocessableEntity, "invalid", "the input is not valid")
	p.Errors = v.fields
	return p
}

// Limit reads how many things a page may hold from ?limit=, which is from 1 to most; usual where nothing
// is said.
func Limit(r *http.Request, usual, most int) (int, error) {
	s := r.FormValue("limit")
	if s == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0, BadRequest("limit must be from 1 to %d", most)
	}
	return n, nil
}

// Read decodes the one JSON value of the request's body into in. An unknown field is an error, and
// so is anything after the value.
func Read(r *http.Request, in any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(in); err != nil {
		return badBody(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badBody(errors.New("more than one JSON value"))
	}
	return nil
}

func badBody(err error) error {
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return err
	}
	return BadRequest("read body: %v", err)
}
