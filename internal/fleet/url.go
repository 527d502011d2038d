package fleet

import (
	"cmp"
	"net/url"

	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// address returns the URL of a port, or "" where there is none.
func address(scheme string, port int) string {
	if port == 0 {
		return ""
	}
	return scheme + "://" + addr(port)
}

// scheme says what a service's listener speaks: HTTP where its name or its health check says so.
func scheme(s *stack.Service, listen string) string {
	switch {
	case listen == "grpc":
		return "grpc"
	case listen == "http", s.Health != nil && s.Health.HTTP != "" && cmp.Or(s.Health.Port, mainListen(s)) == listen:
		return "http"
	}
	return "tcp"
}

// refURL is what ${service.listen.url} means: HTTP unless the listener's name says another protocol, for
// who asks for a URL has something to put it into.
func refURL(listen string, port int) string {
	switch listen {
	case "grpc", "tcp":
		return address(listen, port)
	}
	return address("http", port)
}

// serverURL is where a backing server answers: its page where it has one, else its protocol, without what
// belongs to one resource.
func serverURL(c resource.Choice, place resource.Place) string {
	if page := place.Ports["http"]; page != 0 {
		return address("http", page)
	}
	u, err := url.Parse(c.Endpoint(place).URL)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// bare returns a URL without its password.
func bare(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	if _, secret := u.User.Password(); secret {
		u.User = url.User(u.User.Username())
	}
	return u.String()
}
