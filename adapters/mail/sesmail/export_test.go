package sesmail

// Endpoint is the URL of SES in a region.
var Endpoint = endpoint
