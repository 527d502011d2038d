package scaffold_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// throughTheDoor asks each service through the gateway, with a token and without; then comes one that is new,
// while all run, and one that goes.
func (f *fleetUnderTest) throughTheDoor(t *testing.T) {
	door := f.at["gateway"]
	token := f.token(t)
	for _, name := range append([]string{"catalog"}, f.http...) {
		at := door + "/v1/" + name + "/items"
		if status, body := ask(t, at, token); status != http.StatusOK || !strings.Contains(body, `"items"`) {
			t.Errorf("%s: got %d %s, want its items", name, status, body)
		}
		if status, body := ask(t, at, ""); status != http.StatusUnauthorized {
			t.Errorf("%s without a token: got %d %s, want 401", name, status, body)
		}
	}
	f.msctl("new", "service", "late", "--calls", "catalog", "--route", "/v1/late", "--open", "--yes")
	eventually(t, "the late one to answer through the gateway", func() bool {
		status, body := ask(t, door+"/v1/late/neighbours", "")
		return status == http.StatusOK && strings.Contains(body, `"catalog":"ready"`)
	})
	f.msctl("remove", "service", "late", "--force")
	eventually(t, "its route to go", func() bool {
		status, _ := ask(t, door+"/v1/late/items", "")
		return status == http.StatusNotFound
	})
	t.Run("injected", func(t *testing.T) {
		f.msctl("add", "route", "/v1/open", "catalog", "--open")
		eventually(t, "the open route", func() bool { status, _ := ask(t, door+"/v1/open/items", ""); return status == http.StatusOK })
		injected(t, door+"/v1/open")
		huge(t, door+"/v1/open/items", http.StatusRequestEntityTooLarge)
	})
}

// token asks the gateway's issuer for one.
func (f *fleetUnderTest) token(t *testing.T) string {
	t.Helper()
	resp, err := http.Post(f.at["gateway"]+"/v1/token", "application/json", strings.NewReader(`{"subject": "ada"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.Token == "" {
		t.Fatalf("token: %s, %v", resp.Status, err)
	}
	return out.Token
}

// ask gets a page with a token, or without one. A gateway that is just being started again is no failure.
func ask(t *testing.T, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}
