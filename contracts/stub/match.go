package stub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"

	"msctl.dev/msctl/contracts"
)

// request is one request as interactions are compared with it.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         any // JSON; nil: none
	text         string
}

func readRequest(w http.ResponseWriter, r *http.Request) (request, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return request{}, err
	}
	return request{r.Method, r.URL.Path, r.URL.Query(), r.Header, parse(raw), string(raw)}, nil
}

// parse reads JSON; what is none is nil.
func parse(raw []byte) any {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// rules are matchers by part and path, as Pact V4 writes them.
type rules map[string]json.RawMessage

type matcher struct {
	Match string `json:"match"`
	Regex string `json:"regex"`
}

type matchers struct {
	Matchers []matcher `json:"matchers"`
}

func readRules(raw json.RawMessage) rules {
	var r rules
	if len(raw) == 0 || json.Unmarshal(raw, &r) != nil {
		return nil
	}
	return r
}

// at returns the matchers of a part: "path", or "body" at a path such as $.items[0].
func (r rules) at(part, path string) []matcher {
	var m matchers
	if path == "" {
		json.Unmarshal(r[part], &m) // a part without rules has none
		return m.Matchers
	}
	var by map[string]matchers
	if json.Unmarshal(r[part], &by) != nil {
		return nil
	}
	return by[path].Matchers
}

// best returns the interaction that fits a request with the fewest differences. Method and path must fit.
// Of equals, one that has the state goes first, then one that succeeds.
func best(all []contracts.Interaction, q request, state string) (contracts.Interaction, bool) {
	found, least := contracts.Interaction{}, -1
	for _, i := range all {
		n, ok := distance(i, q)
		if !ok {
			continue
		}
		n *= 4
		if state != "" && !hasState(i, state) {
			n += 2
		}
		if i.Response.Status >= 400 {
			n++
		}
		if least < 0 || n < least {
			found, least = i, n
		}
	}
	return found, least >= 0
}

func hasState(i contracts.Interaction, state string) bool {
	for _, s := range i.States {
		if s.Name == state {
			return true
		}
	}
	return false
}

// distance counts in how much a request differs from an interaction's.
func distance(i contracts.Interaction, q request) (int, bool) {
	want, rules := i.Request, readRules(i.Request.Rules)
	if !strings.EqualFold(want.Method, q.method) || !fits(want.Path, q.path, rules.at("path", "")) {
		return 0, false
	}
	n := 0
	for name, values := range want.Query {
		got := q.query[name]
		for at, v := range values {
			if at >= len(got) || !fits(v, got[at], append(rules.at("query", name), rules.at("query", "$."+name)...)) {
				n++
			}
		}
	}
	for name := range q.query {
		if _, asked := want.Query[name]; !asked {
			n++
		}
	}
	for name, values := range want.Headers {
		if got := q.header.Get(name); !fits(strings.Join(values, ", "), got, rules.at("header", name)) && !strings.EqualFold(name, "Content-Type") {
			n++
		}
	}
	if body, err := want.Body.Bytes(); err == nil && len(body) > 0 {
		if v := parse(body); v != nil {
			n += differences(v, q.body, "$", rules, false)
		} else {
			n += count(!fits(string(body), q.text, rules.at("body", "$")))
		}
	}
	return n, true
}

// fits compares two texts by the matchers, or as they are.
func fits(want, got string, by []matcher) bool {
	if len(by) == 0 {
		return want == got
	}
	for _, m := range by {
		switch m.Match {
		case "regex":
			re, err := regexp.Compile("^(?:" + m.Regex + ")$") // the pact was checked to hold RE2
			if err != nil || !re.MatchString(got) {
				return false
			}
		case "equality":
			if want != got {
				return false
			}
		}
	}
	return true
}

// differences counts where two JSON values differ. Below a matcher of type, only types count.
func differences(want, got any, path string, r rules, loose bool) int {
	by := r.at("body", path)
	for _, m := range by {
		switch m.Match {
		case "type", "number", "integer", "decimal", "boolean", "min", "max":
			loose = true
		case "regex", "equality":
			if _, deep := want.(map[string]any); !deep {
				return count(!fits(words(want), words(got), []matcher{m}))
			}
		}
	}
	switch want := want.(type) {
	case map[string]any:
		have, _ := got.(map[string]any)
		n := 0
		for name, v := range want {
			n += differences(v, have[name], path+"."+name, r, loose)
		}
		return n
	case []any:
		have, _ := got.([]any)
		n := 0
		for at, v := range want {
			if at < len(have) {
				n += differences(v, have[at], fmt.Sprintf("%s[%d]", path, at), r, loose)
			} else if !loose {
				n++
			}
		}
		return n
	}
	if loose {
		return count(reflect.TypeOf(want) != reflect.TypeOf(got))
	}
	return count(!reflect.DeepEqual(want, got))
}

func count(differ bool) int {
	if differ {
		return 1
	}
	return 0
}

func words(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
