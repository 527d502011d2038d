package broker

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

// wanted is what a verifier asks for.
type wanted struct {
	Pending   bool       `json:"includePendingStatus"`
	Branch    string     `json:"providerVersionBranch"`
	Selectors []selector `json:"consumerVersionSelectors"`
}

// selector picks versions of consumers. Its fields narrow it together.
type selector struct {
	Consumer       string `json:"consumer"`
	MainBranch     bool   `json:"mainBranch"`
	MatchingBranch bool   `json:"matchingBranch"` // the provider's own
	Branch         string `json:"branch"`
	Fallback       string `json:"fallbackBranch"`
	Tag            string `json:"tag"`
	FallbackTag    string `json:"fallbackTag"`
	Latest         bool   `json:"latest"`
	Deployed       bool   `json:"deployed"`
	Released       bool   `json:"released"`
	Either         bool   `json:"deployedOrReleased"`
	Environment    string `json:"environment"`
}

// forVerification lists the pacts of a provider that are to be verified.
func (b *Broker) forVerification(x exchange) error {
	provider := x.r.PathValue("provider")
	in := wanted{}
	list := []any{}
	if x.r.Method == http.MethodPost {
		if err := x.read(&in); err != nil {
			return err
		}
		b.Store.View(func(d *Data) error {
			for _, p := range d.selected(provider, in) {
				list = append(list, x.toVerify(d, p, in))
			}
			return nil
		})
	}
	x.answer(http.StatusOK, object{
		"_embedded": object{"pacts": list},
		"_links":    object{"self": x.link(path("/pacts/provider", provider, "for-verification"), "title", "Pacts to be verified")},
	})
	return nil
}

// toVerify is one pact of that list.
func (x exchange) toVerify(d *Data, p Publication, in wanted) object {
	meta := base64.RawURLEncoding.EncodeToString([]byte(url.Values{"cv": {p.Version}}.Encode()))
	pending := in.Pending && !d.everHeld(p, in.Branch)
	text := "The pact of " + p.Consumer + " " + p.Version
	if pending {
		text += " is pending: no version of " + p.Provider + " has held it yet, so a mismatch does not fail the build"
	}
	return object{
		"shortDescription": "latest",
		"verificationProperties": object{"pending": pending,
			"notices": []any{object{"when": "before_verification", "text": text}}},
		"_links": object{"self": x.link(p.path("pact-version", p.Hash, "metadata", meta), "name", p.title())},
	}
}

// everHeld reports whether some version of the provider, on its main branch or the one named, held the
// pact.
func (d *Data) everHeld(p Publication, branch string) bool {
	for _, r := range d.Results {
		if r.Success && r.Hash == p.Hash && r.Provider == p.Provider && r.Consumer == p.Consumer &&
			(branch == "" || d.onBranch(p.Provider, r.Version, branch) || d.onBranch(p.Provider, r.Version, d.mainBranch(p.Provider))) {
			return true
		}
	}
	return false
}

// selected returns the pacts that the selectors pick, each content once; without selectors, the newest
// of each consumer.
func (d *Data) selected(provider string, in wanted) []Publication {
	selectors := in.Selectors
	if len(selectors) == 0 {
		selectors = []selector{{Latest: true}}
	}
	var out []Publication
	seen := map[string]bool{}
	for _, s := range selectors {
		for _, p := range d.pick(provider, s, in.Branch) {
			if key := p.Consumer + "\x00" + p.Hash; !seen[key] {
				seen[key] = true
				out = append(out, p)
			}
		}
	}
	return out
}

// pick returns what one selector picks.
func (d *Data) pick(provider string, s selector, own string) []Publication {
	of := func(p Publication) bool {
		return p.Provider == provider && (s.Consumer == "" || s.Consumer == p.Consumer)
	}
	if s.Deployed || s.Released || s.Either || s.Environment != "" {
		return d.inUse(of, s)
	}
	branch := s.Branch
	if s.MatchingBranch {
		branch = own
	}
	for _, try := range []string{branch, s.Fallback} {
		if try == "" {
			continue
		}
		if found := d.latestPacts(func(p Publication) bool { return of(p) && d.onBranch(p.Consumer, p.Version, try) }); len(found) > 0 {
			return found
		}
	}
	for _, try := range []string{s.Tag, s.FallbackTag} {
		if try == "" {
			continue
		}
		if found := d.latestPacts(func(p Publication) bool { return of(p) && d.tagged(p.Consumer, p.Version, try) }); len(found) > 0 {
			return found
		}
	}
	if branch != "" || s.Tag != "" || s.MatchingBranch {
		return nil
	}
	return d.latestPacts(func(p Publication) bool {
		return of(p) && (!s.MainBranch || d.onBranch(p.Consumer, p.Version, d.mainBranch(p.Consumer)))
	})
}

// inUse returns the pacts of the versions that are deployed or released.
func (d *Data) inUse(of func(Publication) bool, s selector) []Publication {
	var out []Publication
	for _, p := range d.Pacts {
		for _, x := range d.Deployments {
			env, _ := d.environment(x.Environment)
			if of(p) && x.Participant == p.Consumer && x.Version == p.Version && x.Ended.IsZero() &&
				(s.Environment == "" || s.Environment == env.Name) && (!s.Deployed || !x.Release) && (!s.Released || x.Release) {
				out = append(out, p)
				break
			}
		}
	}
	return out
}

func (d *Data) onBranch(name, number, branch string) bool {
	v := d.version(name, number)
	return v != nil && branch != "" && has(v.Branches, branch)
}

func (d *Data) tagged(name, number, tag string) bool {
	v := d.version(name, number)
	return v != nil && has(v.Tags, tag)
}

// mainBranch returns the branch that a participant said is its main one, else main or master where a
// version is on it.
func (d *Data) mainBranch(name string) string {
	p := d.participant(name)
	if p == nil {
		return ""
	}
	if p.MainBranch != "" {
		return p.MainBranch
	}
	for _, branch := range []string{"main", "master", "develop"} {
		for _, v := range p.Versions {
			if has(v.Branches, branch) {
				return branch
			}
		}
	}
	return ""
}

// verified takes the result of a verification.
func (b *Broker) verified(x exchange) error {
	var body json.RawMessage
	if err := x.read(&body); err != nil {
		return err
	}
	in := struct {
		Version string `json:"providerApplicationVersion"`
		Success bool   `json:"success"`
		Build   string `json:"buildUrl"`
	}{}
	if err := json.Unmarshal(body, &in); err != nil {
		return refuse(http.StatusBadRequest, "read result: %v", err)
	}
	if in.Version == "" {
		return refuse(http.StatusBadRequest, "read result: providerApplicationVersion is missing")
	}
	var r Result
	n := 0
	err := b.Store.Update(func(d *Data) error {
		p, err := d.find(x.r)
		if err != nil {
			return err
		}
		d.enter(p.Provider, in.Version, b.now())
		r = Result{Consumer: p.Consumer, Provider: p.Provider, Hash: p.Hash, Version: in.Version,
			Success: in.Success, Build: in.Build, At: b.now(), Body: body}
		d.Results = append(d.Results, r)
		n = len(d.Results)
		return nil
	})
	if err != nil {
		return err
	}
	if b.Verified != nil {
		b.Verified(r)
	}
	x.answer(http.StatusCreated, x.result(r, n))
	return nil
}

// result is a result as it is handed out.
func (x exchange) result(r Result, n int) object {
	doc := object{}
	json.Unmarshal(r.Body, &doc) // it was read before
	p := Publication{Consumer: r.Consumer, Provider: r.Provider}
	doc["_links"] = object{
		"self":            x.link(p.path("pact-version", r.Hash, "verification-results", strconv.Itoa(n)), "title", "Verification result"),
		"pb:pact-version": x.link(p.path("pact-version", r.Hash)),
	}
	return doc
}

// verification hands out one result.
func (b *Broker) verification(x exchange) error {
	n, _ := strconv.Atoi(x.r.PathValue("n"))
	var doc object
	b.Store.View(func(d *Data) error {
		if n >= 1 && n <= len(d.Results) && d.Results[n-1].Hash == x.r.PathValue("hash") {
			doc = x.result(d.Results[n-1], n)
		}
		return nil
	})
	if doc == nil {
		return refuse(http.StatusNotFound, "there is no such result")
	}
	x.answer(http.StatusOK, doc)
	return nil
}
