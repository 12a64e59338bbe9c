"""Names of headers, parameters and ArcGIS codes; they are spelled here and nowhere else.

Header names are lower-case: that is how `Headers` keeps them, and names compare without case (RFC 9110 §5.1).
"""

from typing import Final

PRODUCT: Final = "arcgis-resource-proxy"

# --- headers ---------------------------------------------------------------------------------------------------
ACCEPT: Final = "accept"
ACCEPT_ENCODING: Final = "accept-encoding"
ACCEPT_LANGUAGE: Final = "accept-language"
ACCEPT_RANGES: Final = "accept-ranges"
ACCESS_CONTROL_ALLOW_CREDENTIALS: Final = "access-control-allow-credentials"
ACCESS_CONTROL_ALLOW_HEADERS: Final = "access-control-allow-headers"
ACCESS_CONTROL_ALLOW_METHODS: Final = "access-control-allow-methods"
ACCESS_CONTROL_ALLOW_ORIGIN: Final = "access-control-allow-origin"
ACCESS_CONTROL_EXPOSE_HEADERS: Final = "access-control-expose-headers"
ACCESS_CONTROL_MAX_AGE: Final = "access-control-max-age"
ACCESS_CONTROL_REQUEST_HEADERS: Final = "access-control-request-headers"
ACCESS_CONTROL_REQUEST_METHOD: Final = "access-control-request-method"
AGE: Final = "age"
ALLOW: Final = "allow"
AUTHENTICATION_INFO: Final = "authentication-info"
AUTHORIZATION: Final = "authorization"
CACHE_CONTROL: Final = "cache-control"
CACHE_STATUS: Final = "cache-status"
CDN_CACHE_CONTROL: Final = "cdn-cache-control"
CONNECTION: Final = "connection"
CONTENT_DISPOSITION: Final = "content-disposition"
CONTENT_ENCODING: Final = "content-encoding"
CONTENT_LANGUAGE: Final = "content-language"
CONTENT_LENGTH: Final = "content-length"
CONTENT_LOCATION: Final = "content-location"
CONTENT_MD5: Final = "content-md5"
CONTENT_RANGE: Final = "content-range"
CONTENT_SECURITY_POLICY: Final = "content-security-policy"
CONTENT_TYPE: Final = "content-type"
COOKIE: Final = "cookie"
CROSS_ORIGIN_RESOURCE_POLICY: Final = "cross-origin-resource-policy"
DATE: Final = "date"
ETAG: Final = "etag"
EXPECT: Final = "expect"
EXPIRES: Final = "expires"
FORWARDED: Final = "forwarded"
HOST: Final = "host"
IF_MATCH: Final = "if-match"
IF_MODIFIED_SINCE: Final = "if-modified-since"
IF_NONE_MATCH: Final = "if-none-match"
IF_RANGE: Final = "if-range"
IF_UNMODIFIED_SINCE: Final = "if-unmodified-since"
KEEP_ALIVE: Final = "keep-alive"
LAST_MODIFIED: Final = "last-modified"
LINK: Final = "link"
LOCATION: Final = "location"
ORIGIN: Final = "origin"
PRAGMA: Final = "pragma"
PROXY_AUTHORIZATION: Final = "proxy-authorization"
PROXY_CONNECTION: Final = "proxy-connection"
RANGE: Final = "range"
REFERER: Final = "referer"
REFERRER_POLICY: Final = "referrer-policy"
RETRY_AFTER: Final = "retry-after"
SEC_FETCH_DEST: Final = "sec-fetch-dest"
SEC_FETCH_MODE: Final = "sec-fetch-mode"
SEC_FETCH_SITE: Final = "sec-fetch-site"
SERVER: Final = "server"
SET_COOKIE: Final = "set-cookie"
SOAP_ACTION: Final = "soapaction"
SURROGATE_CAPABILITY: Final = "surrogate-capability"
SURROGATE_CONTROL: Final = "surrogate-control"
TE: Final = "te"
TRAILER: Final = "trailer"
TRANSFER_ENCODING: Final = "transfer-encoding"
UPGRADE: Final = "upgrade"
TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
USER_AGENT: Final = "user-agent"
VARY: Final = "vary"
WWW_AUTHENTICATE: Final = "www-authenticate"
X_CONTENT_TYPE_OPTIONS: Final = "x-content-type-options"
X_ESRI_AUTHORIZATION: Final = "x-esri-authorization"
X_FORWARDED_FOR: Final = "x-forwarded-for"
X_FORWARDED_HOST: Final = "x-forwarded-host"
X_FORWARDED_PROTO: Final = "x-forwarded-proto"
X_REQUEST_ID: Final = "x-request-id"
X_REQUESTED_WITH: Final = "x-requested-with"

# --- parameters of ArcGIS requests (compared without case) ------------------------------------------------------
TOKEN: Final = "token"
FORMAT: Final = "f"
CALLBACK: Final = "callback"

# Verbs that change nothing and bring no body (RFC 9110 §9.2.1): their answers are kept, and they may be sent twice
SAFE_METHODS: Final = ("GET", "HEAD")

# --- codes of ArcGIS error bodies and, more rarely, HTTP statuses -----------------------------------------------
CODE_UNAUTHORIZED: Final = 401
CODE_FORBIDDEN: Final = 403
CODE_TOKEN_INVALID: Final = 498  # a token arrived and is invalid, expired, or from a foreign issuer
CODE_TOKEN_REQUIRED: Final = 499  # no token arrived

# The cookie in which ArcGIS Server keeps the roles of whose token came: the same for all who share a credential.
ROLES_COOKIE: Final = "AGS_ROLES"

# A 403 body with these two keeps the ArcGIS JavaScript SDK 4.x/5.x from opening its sign-in dialog.
QUIET_SUBCODE: Final = 1
QUIET_MESSAGE_CODE: Final = "SB_0008"

FORM_TYPE: Final = "application/x-www-form-urlencoded"
MULTIPART_TYPE: Final = "multipart/form-data"
JSON_TYPE: Final = "application/json"
BYTES_TYPE: Final = "application/octet-stream"
