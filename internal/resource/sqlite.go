package resource

import (
	"net/url"
	"path/filepath"
)

// sqlite stands in for an SQL server where there is none: each resource is a file, which the services
// open themselves.
var sqlite = &Recipe{
	Name: "sqlite", Runtime: Embedded, InFile: true,
	endpoint: func(at site, c Choice) Endpoint {
		file := filepath.Join(at.DataDir, c.Resource.Name+".db")
		u := url.URL{Scheme: "sqlite", Path: filepath.ToSlash(file)}
		return Endpoint{URL: u.Scheme + "://" + u.EscapedPath(), Database: file}
	},
}
