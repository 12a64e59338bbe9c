"""What the operations of ArcGIS services do: data, no decisions. Names are lower-case last path segments.

Sources: Esri's REST reference, and the call sites of the JavaScript SDK and the ArcGIS API for Python; the classes
are ours. What is not here is unknown, and unknown is an edit.
"""

from typing import Final

_COMMON: Final = "info iteminfo metadata layers tables relationships legend querylegends healthcheck thumbnail"

READ: Final[dict[str, frozenset[str]]] = {
    service: frozenset(f"{_COMMON} {words}".split())
    for service, words in {
        "mapserver": "export identify find query queryrelatedrecords queryattachments attachments htmlpopup images"
        " generaterenderer tile tilemap wmts dynamiclayer kml querydomains wmtscapabilities.xml jobs",
        "featureserver": "query queryrelatedrecords queryattachments attachments htmlpopup images generaterenderer"
        " query3d querytopfeatures querybins querydatebins queryanalytic querydomains querydataelements querycontingentvalues"
        " fieldgroups contingentvalues getestimates validatesql replicas jobs tile tilemap",
        "imageserver": "exportimage identify query getsamples computehistograms computestatisticshistograms"
        " computepixellocation computeangles calculatevolume measure measurefromimage project imagetomap"
        " imagetomapmultiray maptoimage getimageurl find queryboundary querygpsinfo colormap histograms statistics"
        " keyproperties rasterattributetable rasterfunctioninfos multidimensionalinfo slices variables image tile"
        " tilemap wmts images wmtscapabilities.xml",
        "vectortileserver": "tile tilemap resources styles",
        "geocodeserver": "findaddresscandidates suggest reversegeocode",
        "naserver": "retrievetravelmodes network",
        "geometryserver": "project buffer union intersect simplify cut densify difference distance generalize"
        " labelpoints lengths areasandlengths offset relation reshape trimextend autocomplete convexhull togeocoordinatestring"
        " fromgeocoordinatestring findtransformations",
        "gpserver": "jobs results inputs",
        "versionmanagementserver": "versions versioninfos differences conflicts",
        "utilitynetworkserver": "trace traceconfigurations associations unitidentifiers circuits"
        " synthesizeassociationgeometries",
        "knowledgegraphserver": "search datamodel querydatamodel clientdata",
        "streamserver": "subscribe",
        "globeserver": "",
        "ogcfeatureserver": "",
        "sceneserver": "",
        "3dtilesserver": "",
        "videoserver": "",
    }.items()
}

EXECUTE: Final[dict[str, frozenset[str]]] = {
    "mapserver": frozenset(("exporttiles", "estimateexporttilessize", "generatekml")),
    "featureserver": frozenset(("extractchanges", "convert3d")),
    "imageserver": frozenset(("download", "file", "exporttiles", "estimateexporttilessize")),
    "vectortileserver": frozenset(("exporttiles", "estimateexporttilessize")),
    "geocodeserver": frozenset(("geocodeaddresses",)),
    "naserver": frozenset(("solve", "solveservicearea", "solveclosestfacility", "solveodcostmatrix")),
}

# Everything below them is read by GET, whatever it is called.
READ_BY_GET: Final = frozenset(("sceneserver", "3dtilesserver", "videoserver", "ogcfeatureserver"))

# Resources below which names are data: tile numbers, image hashes, layer and object ids, style sheets.
DATA_FOLDERS: Final = frozenset(
    (
        "tile tilemap images image wmts resources styles jobs results inputs thumbnail kml variables slices"
        " attachments replicas versions network traceconfigurations"
    ).split()
)

# Segments that need `access: all` wherever they stand under the root: administration, credentials, and whatever makes
# the server fetch a URL of the caller's choice.
FORBIDDEN: Final = frozenset(
    ("admin manager portaladmin tokens generatetoken webadaptor uploads login logout oauth2 revoketoken").split()
)
FORBIDDEN_SHARING: Final = frozenset(["proxy", "kml", "rss", "oauth2", "generatetoken"])
OPEN_DIRECTORIES: Final = frozenset(("arcgisoutput", "arcgisjobs"))

OGC_READ: Final = frozenset(
    (
        "getcapabilities getmap getfeatureinfo getlegendgraphic getstyles describelayer gettile"
        " describefeaturetype getfeature getpropertyvalue liststoredqueries describestoredqueries getcoverage"
        " describecoverage describeprocess"
    ).split()
)
OGC_EXECUTE: Final = frozenset(("execute",))

SOAP_READ: Final = ("get", "query", "identify", "find", "export", "is", "has", "requires")
