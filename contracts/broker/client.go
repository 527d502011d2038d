package broker

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"msctl.dev/msctl/contracts"
)

// Client sends pacts to a broker: this package's, a Pact Broker, or PactFlow.
type Client struct {
	URL            string // without user and password
	Token          string // sent to that host only; "" sends none
	User, Password string
}

// Publishing is the pacts of one version of a consumer.
type Publishing struct {
	Consumer, Version, Branch, Build string
	Tags                             []string
	Pacts                            []contracts.Pact
}

// Refused is a broker that did not take a pact.
type Refused struct{ Text string }

func (r *Refused) Error() string { return r.Text }

// maxAnswer bounds what is read of an answer.
const maxAnswer = 4 << 20

// Publish sends pacts and returns what the broker says of it, in lines.
func (c Client) Publish(ctx context.Context, p Publishing) ([]string, error) {
	where, err := c.publishURL(ctx)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, pact := range p.Pacts {
		list = append(list, object{
			"consumerName": pact.Consumer, "providerName": pact.Provider, "specification": "pact", "contentType": "application/json",
			"content": base64.StdEncoding.EncodeToString(pact.Canonical()),
		})
	}
	in := object{"pacticipantName": p.Consumer, "pacticipantVersionNumber": p.Version, "contracts": list}
	if p.Branch != "" {
		in["branch"] = p.Branch
	}
	if p.Build != "" {
		in["buildUrl"] = p.Build
	}
	if len(p.Tags) > 0 {
		in["tags"] = p.Tags
	}
	var out said
	status, err := c.ask(ctx, http.MethodPost, where, in, &out)
	if err != nil {
		return nil, err
	}
	if status >= 500 || status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound {
		return nil, fmt.Errorf("the broker answers %d %s%s", status, http.StatusText(status), out.why())
	}
	if status >= 400 {
		return nil, &Refused{strings.TrimPrefix(out.why(), ": ")}
	}
	return out.lines(), nil
}

// publishURL asks the broker where it takes pacts. A place on another host is not believed: the token
// would go there.
func (c Client) publishURL(ctx context.Context) (string, error) {
	base := strings.TrimSuffix(c.URL, "/")
	var index struct {
		Links map[string]json.RawMessage `json:"_links"`
	}
	status, err := c.ask(ctx, http.MethodGet, base+"/", nil, &index)
	if err != nil {
		return "", err
	}
	if status != http.StatusOK {
		return "", fmt.Errorf("the broker answers %d %s", status, http.StatusText(status))
	}
	var link struct{ Href string }
	if json.Unmarshal(index.Links["pb:publish-contracts"], &link) != nil || link.Href == "" {
		return "", fmt.Errorf("what answers at %s is no broker that takes contracts", base)
	}
	ours, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	to, err := ours.Parse(link.Href)
	if err != nil || to.Host != ours.Host || to.Scheme != ours.Scheme {
		return base + "/contracts/publish", nil
	}
	return to.String(), nil
}

// said is what brokers say of a publication.
type said struct {
	Notices []struct{ Text string } `json:"notices"`
	Errors  json.RawMessage         `json:"errors"`
	Error   json.RawMessage         `json:"error"`
}

func (s said) lines() []string {
	var out []string
	for _, n := range s.Notices {
		out = append(out, n.Text)
	}
	return out
}

// why returns what is wrong, after a colon; "" where nothing is said.
func (s said) why() string {
	switch {
	case len(s.Notices) > 0:
		return ": " + strings.Join(s.lines(), "; ")
	case len(s.Errors) > 0:
		return ": " + string(s.Errors)
	case len(s.Error) > 0:
		return ": " + string(s.Error)
	}
	return ""
}

// ask sends one request and reads its answer; redirects are not followed.
func (c Client) ask(ctx context.Context, method, where string, in, out any) (int, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, where, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept", "application/hal+json, application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case c.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.Token)
	case c.User != "":
		req.SetBasicAuth(c.User, c.Password)
	}
	client := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, err
	}
	json.Unmarshal(text, out) // what is no JSON says nothing more than its status
	return resp.StatusCode, nil
}
