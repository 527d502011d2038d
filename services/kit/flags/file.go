package flags

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// set is the flags of one file by their names.
type set map[string]flag

// flag is one flag as flagd writes it.
type flag struct {
	State    string          `json:"state"` // ENABLED or DISABLED
	Variants map[string]any  `json:"variants"`
	Default  string          `json:"defaultVariant"`
	Raw      json.RawMessage `json:"targeting"`

	shares []share // of Raw; none: everybody has the default
	total  uint64  // weight of all shares
}

// share is the part of the clients that get a variant.
type share struct {
	variant string
	weight  uint64
}

// parse reads a file. A flag that this package could not evaluate as flagd would is an error.
func parse(content []byte) (set, error) {
	var file struct {
		Flags set `json:"flags"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, err
	}
	if file.Flags == nil {
		return nil, errors.New(`there is no "flags"`)
	}
	for name, f := range file.Flags {
		if err := f.complete(); err != nil {
			return nil, fmt.Errorf("flag %q: %w", name, err)
		}
		file.Flags[name] = f
	}
	return file.Flags, nil
}

func (f *flag) complete() error {
	if f.State != "ENABLED" && f.State != "DISABLED" {
		return fmt.Errorf("state %q is neither ENABLED nor DISABLED", f.State)
	}
	if _, ok := f.Variants[f.Default]; !ok {
		return fmt.Errorf("defaultVariant %q is none of the variants", f.Default)
	}
	if raw := string(bytes.TrimSpace(f.Raw)); raw == "" || raw == "null" || raw == "{}" {
		return nil
	}
	var rule struct {
		Fractional [][]any `json:"fractional"`
	}
	dec := json.NewDecoder(bytes.NewReader(f.Raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rule); err != nil || len(rule.Fractional) == 0 {
		return errors.New(`targeting is no list of shares such as {"fractional": [["on", 10], ["off", 90]]}`)
	}
	for _, pair := range rule.Fractional {
		if err := f.add(pair); err != nil {
			return err
		}
	}
	if f.total == 0 {
		return errors.New("no share has a weight")
	}
	return nil
}

// add takes one share: its variant and its weight, which is 1 where it is not given.
func (f *flag) add(pair []any) error {
	s, weight := share{weight: 1}, 1.0
	var named, weighed = false, true
	if len(pair) > 0 {
		s.variant, named = pair[0].(string)
	}
	if len(pair) > 1 {
		weight, weighed = pair[1].(float64)
	}
	if !named || !weighed || len(pair) > 2 || weight < 0 || weight > 1e6 || weight != float64(uint64(weight)) {
		return fmt.Errorf(`share %v is not a variant and a whole weight such as ["on", 10]`, pair)
	}
	if _, ok := f.Variants[s.variant]; !ok {
		return fmt.Errorf("share %q is none of the variants", s.variant)
	}
	s.weight = uint64(weight)
	f.shares, f.total = append(f.shares, s), f.total+s.weight
	return nil
}

// variant returns which variant of the flag a client gets, and whether that is by its share. The
// flag's name is in the hash, so that it is not the same clients who try everything new.
func (f flag) variant(name, client string) (variant string, split bool) {
	if len(f.shares) == 0 || client == "" {
		return f.Default, false
	}
	sum := sha256.Sum256([]byte(name + "\x00" + client))
	at := binary.BigEndian.Uint64(sum[:]) % f.total
	for _, s := range f.shares {
		if at < s.weight {
			return s.variant, true
		}
		at -= s.weight
	}
	return f.Default, false // not reached: at is below the total
}
