this is no catalogue
