package explore

import "fmt"

func spoken(kind, code, message string) string {
	return fmt.Sprintf(`{"error":{"type":%q,"code":%q,"message":%q}}`, kind, code, message)
}

const page = "<html><body>the proxy's own words</body></html>"

var (
	plain = map[string]string{"Content-Type": "application/json"}
	html  = map[string]string{"Content-Type": "text/html"}
)

// stripes are the possible fates of a request to Stripe, by name.
var stripes = func() map[string]*fate {
	all := []*fate{
		{name: "429", status: 429, header: map[string]string{"Content-Type": "application/json", "Retry-After": "2"}, body: spoken("invalid_request_error", "rate_limit", "Too many requests.")},
		{name: "401", status: 401, header: plain, body: spoken("invalid_request_error", "", "Invalid API Key provided.")},
		{name: "403", status: 403, header: plain, body: spoken("invalid_request_error", "", "The provided key does not have the required permissions.")},
		{name: "400", status: 400, header: plain, body: spoken("invalid_request_error", "", "Invalid request.")},
		{name: "402 without an object", status: 402, header: plain, body: spoken("card_error", "card_declined", "Your card was declined.")},
		{name: "409 without a code", status: 409, header: plain, body: spoken("invalid_request_error", "", "Conflict.")},
		{name: "500", status: 500, header: plain, body: spoken("api_error", "", "An unknown error occurred.")},
		{name: "500, done and kept", does: true, kept: true},
	}
	return named(all)
}()

// named returns these fates by name, together with those that every provider can have: a proxy
// responds in its place, or the connection fails.
func named(all []*fate) map[string]*fate {
	for _, status := range []int{401, 403, 404, 405, 429, 502, 503} {
		all = append(all,
			&fate{name: fmt.Sprintf("%d of a proxy", status), status: status, header: html, body: page},
			&fate{name: fmt.Sprintf("%d of a proxy, done", status), does: true, status: status, header: html, body: page})
	}
	all = append(all,
		&fate{name: "connection refused", silent: true}, &fate{name: "reset"}, &fate{name: "reset, done", does: true, lost: true})
	byName := map[string]*fate{}
	for _, f := range all {
		byName[f.name] = f
	}
	return byName
}

// sendgrids are the possible fates of a request to SendGrid, by name.
var sendgrids = func() map[string]*fate {
	body := func(text string) string {
		return fmt.Sprintf(`{"errors":[{"message":%q,"field":null,"help":null}]}`, text)
	}
	return named([]*fate{
		{name: "400", status: 400, header: plain, body: body("Does not contain a valid address.")},
		{name: "401", status: 401, header: plain, body: body("The provided authorization grant is invalid, expired, or revoked")},
		{name: "403", status: 403, header: plain, body: body("The from address does not match a verified Sender Identity.")},
		{name: "429", status: 429, header: plain, body: body("too many requests")},
		{name: "503", status: 503, header: plain, body: body("service unavailable")},
		{name: "500", status: 500, body: page},
		{name: "500, done", does: true, status: 500, body: page},
	})
}()

func stripeFates(names []string) []*fate   { return among(stripes, names) }
func sendgridFates(names []string) []*fate { return among(sendgrids, names) }

// among returns the fates with these names, after the default one.
func among(known map[string]*fate, names []string) []*fate {
	all := []*fate{delivered}
	for _, name := range names {
		f := known[name]
		if f == nil {
			panic("explore: there is no fate " + name)
		}
		all = append(all, f)
	}
	return all
}
